"""What the page on sources says works as it is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
from PIL import Image
from typer.testing import CliRunner

from onepic.compiler import open_dataset
from onepic.compiler.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/sources.md").read_text(encoding="utf-8")


def test_the_command_for_magicbrush_on_the_hub_reads_its_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Callable[..., Image.Image]
) -> None:
    """A folder of the same name stands for the Hub."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    columns = {
        "source_img": [picture(64, 64, 1), picture(64, 64, 2)],
        "mask_img": [picture(64, 64, 3), picture(64, 64, 4)],
        "instruction": ["make it red", "remove it"],
        "target_img": [picture(64, 64, 5), picture(64, 64, 6)],
    }
    features = datasets.Features(
        {
            name: datasets.Value("string") if name == "instruction" else datasets.Image()
            for name in columns
        }
    )
    whole = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict({"train": whole}).save_to_disk("osunlp/MagicBrush")
    (command,) = re.findall(r"^    onepic-compile (.*osunlp.*\n.*)", PAGE, re.MULTILINE)
    arguments = shlex.split(command.replace("\\\n", " "))
    result = CliRunner().invoke(app, [*arguments, "--local", "--panel-size", "64x64"])
    assert result.exit_code == 0, result.output
    assert [sample.prompt for sample in open_dataset("data/editing")] == [
        "make it red",
        "remove it",
    ]
