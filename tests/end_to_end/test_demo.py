"""The end of `make demo`: a picture of what was learned."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from onepic.miniature.demo import main
from onepic.sampler import open_task

Demo = Callable[..., None]
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """`demo(*arguments)` ends the demo as `make demo` does, in the test's folder."""

    def run(*arguments: str) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["demo", *arguments])
        main()

    return run


def test_the_demo_draws_condition_result_and_truth_side_by_side(
    tmp_path: Path, trained_run: Path, demo: Demo, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    demo("run", "--count", "1")
    output = capsys.readouterr().out
    assert "run/demo.png: what was learned" in output
    assert "--model stabilityai/stable-diffusion-xl-base-1.0" in output
    width, height = open_task(trained_run).size
    picture = Image.open(tmp_path / "run" / "demo.png")
    assert picture.size == (3 * width + 2 * 8, 16 + height)


def test_the_demo_needs_a_trained_task(demo: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo("nothing")
    assert ended.value.code == 2
    assert "nothing: no such folder" in capsys.readouterr().err
