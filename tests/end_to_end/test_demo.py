"""The end of `make demo`: a picture of what was learned."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from onepic.sampler import open_task

from .conftest import Command

pytestmark = pytest.mark.timeout(300)


def test_the_demo_draws_condition_result_and_truth_side_by_side(
    tmp_path: Path, trained_run: Path
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    result = Command(tmp_path, "miniature.demo")("run", "--count", 1)
    assert result.code == 0, result.errors
    assert "run/demo.png: what was learned" in result.output
    assert "--model stabilityai/stable-diffusion-xl-base-1.0" in result.output
    width, height = open_task(trained_run).size
    picture = Image.open(tmp_path / "run" / "demo.png")
    assert picture.size == (3 * width + 2 * 8, 16 + height)


def test_the_demo_needs_a_trained_task(tmp_path: Path) -> None:
    result = Command(tmp_path, "miniature.demo")("nothing")
    assert result.code == 2
    assert "nothing" in result.errors
    assert "Traceback" not in result.errors
