"""The walk through a task of one's own works as it is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from onepic.compiler import open_dataset
from onepic.compiler.cli import app as compile_app
from onepic.sampler.cli import app as sample_app
from onepic.trainer.cli import app as train_app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/new-task.md").read_text(encoding="utf-8")
APPS: dict[str, Any] = {
    "onepic-compile": compile_app,
    "onepic-train": train_app,
    "onepic-sample": sample_app,
}
#: what makes a command quick, and nothing else of it
QUICK = {
    "onepic-compile": ["--limit", "8", "--panel-size", "32x32"],
    "onepic-train": ["--steps", "2", "--set", "batch_size=2", "--set", "tracker=none"],
    "onepic-sample": ["--steps", "2"],
}


def blocks(language: str) -> list[str]:
    """The code blocks of the page in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(command: str) -> None:
    name, *arguments = shlex.split(command.replace("\\\n", " "))
    result = CliRunner().invoke(APPS[name], [*arguments, *QUICK[name]])
    assert result.exit_code == 0, result.output


def test_the_recipe_and_the_commands_of_the_page_make_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("docs", "miniature"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    Path("derain.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    compile_, train, sample = (block.strip() for block in blocks("sh"))
    run(compile_)
    assert len(open_dataset("data/derain")) == 8
    assert Path("data/derain/canvases.png").is_file()
    run(train)
    run(sample)
    with Image.open("dry.png") as dry, Image.open("dry-canvas.png") as canvas:
        assert dry.size == (32, 32)
        assert canvas.size == (64, 32)
        assert np.asarray(dry).std() > 1


def test_the_recipe_of_the_page_takes_pictures_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Callable[..., Image.Image]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("derain.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    for name in ("rain", "image"):
        Path("weather", name).mkdir(parents=True)
        for number in range(3):
            picture(seed=number).save(f"weather/{name}/{number}.png")
            Path(f"weather/{name}/{number}.txt").write_text("a street")
    (command,) = re.findall(r"^    (onepic-compile .*\n.*)", PAGE, re.MULTILINE)
    run(command.replace("--model stabilityai/stable-diffusion-xl-base-1.0", "--local"))
    assert [sample.prompt for sample in open_dataset("data/derain-sdxl")] == ["a street"] * 3


def test_the_page_names_files_that_there_are() -> None:
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
