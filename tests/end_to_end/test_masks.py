"""Masks of several tools in one folder: what is certain is used, and all is accounted for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from onepic.compiler import open_dataset
from onepic.compiler.cli import app as compile_app
from onepic.sampler.cli import app as sample_app

if TYPE_CHECKING:
    from tests.conftest import Project

SIZE = (64, 64)
#: The task in which a mask that hides nothing would show the target: all of the panel is learned.
TASK: dict[str, Any] = {
    "source": {"kind": "folder", "path": "tryon"},
    "panels": {
        "hidden": {"from": "image", "apply": [{"erase": {"mask": "mask"}}]},
        "person": {"from": "image"},
    },
    "layout": [["hidden", "person"]],
    "target": "person",
    "panel_size": {"width": 64, "height": 64},
    "max_rejected": 0.5,
}


def square(marked: int = 255, rest: int = 0) -> Image.Image:
    mask = Image.new("L", SIZE, rest)
    mask.paste(marked, (16, 16, 48, 40))
    return mask


def labels() -> Image.Image:
    mask = square(2)
    mask.paste(7, (20, 20, 30, 30))
    return mask


@pytest.fixture
def tryon(bare_project: Project, picture: Callable[..., Image.Image]) -> Project:
    """Six masks that are certain, one of labels, one that is black."""
    masks = {
        "0-white": square(),
        "1-white": square(),
        "2-white": square().convert("RGB"),
        "3-ones": square(1),
        "4-paint": Image.merge("LA", [Image.new("L", SIZE), square()]),
        "5-blurred": square().filter(ImageFilter.GaussianBlur(1)),
        "6-labels": labels(),
        "7-black": Image.new("L", SIZE),
    }
    for number, (name, mask) in enumerate(masks.items()):
        for column, image in (("image", picture(*SIZE, seed=number)), ("mask", mask)):
            path = bare_project.root / f"tryon/{column}/{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
    bare_project.write_recipe(**TASK)
    return bare_project


def run(project: Project, *arguments: str) -> Any:
    options = ["--local", "--output", str(project.output)]
    return CliRunner().invoke(
        compile_app, [str(project.root / "recipe.yaml"), *options, *arguments]
    )


def findings(project: Project) -> dict[tuple[str, str], tuple[int, list[str]]]:
    info = json.loads((project.output / "dataset.json").read_text())
    return {
        (item["kind"], item["about"]): (item["count"], item["examples"])
        for item in info["findings"]
    }


def rejections(project: Project) -> dict[str, str]:
    rows = pq.read_table(project.output / "rejected.parquet").to_pylist()
    assert {row["stage"] for row in rows} <= {"mask"}
    return {row["source"]: row["reason"] for row in rows}


def test_each_way_is_counted_and_what_is_not_certain_is_rejected(tryon: Project) -> None:
    result = run(tryon)
    assert result.exit_code == 0, result.output
    assert len(open_dataset(tryon.output)) == 6
    found = findings(tryon)
    usual = ["0-white", "1-white", "2-white"]
    assert found["mask-reading", "mask: black and white"] == (4, usual)
    assert found["mask-reading", "mask: two values, 0 and 1"] == (1, ["3-ones"])
    paint = "paint of one colour on a transparent layer"
    assert found["mask-reading", f"mask: {paint}"] == (1, ["4-paint"])
    assert found["mask-soft", "mask"] == (1, ["5-blurred"])
    differing = f"mask: mostly black and white; also {paint} and two values, 0 and 1"
    assert found["mask-readings", differing] == (2, ["4-paint", "3-ones"])
    assert len(found) == 5
    reasons = rejections(tryon)
    assert reasons["6-labels"].startswith("mask mask has the values 0, 2 and 7, as labels have")
    assert "`masks: {mask: {read: {labels: [2]}}}`" in reasons["6-labels"]
    assert reasons["7-black"].startswith("mask mask marks nothing")
    assert len(reasons) == 2


def test_what_is_erased_is_hidden_in_every_sample(tryon: Project) -> None:
    assert run(tryon, "--set", "limit=6").exit_code == 0
    for sample in open_dataset(tryon.output):
        hidden, person = np.split(sample.latents.astype(np.float32), 2, axis=2)
        inside = (slice(None), slice(3, 4), slice(3, 5))
        assert np.abs(hidden[inside] - person[inside]).max() > 0.1, sample.source


def test_a_key_of_the_recipe_reads_what_was_not_certain(tryon: Project) -> None:
    for path in (tryon.root / "tryon/mask").iterdir():
        labels().save(path)
    assert run(tryon).exit_code == 1
    tryon.write_recipe(**TASK, masks={"mask": {"read": {"labels": [2, 7]}}})
    result = run(tryon)
    assert result.exit_code == 0, result.output
    assert findings(tryon) == {
        ("mask-reading", "mask: labels 2 and 7"): (8, ["0-white", "1-white", "2-white"])
    }


def test_the_sampler_reads_and_refuses_as_the_compiler_does(
    tryon: Project,
    train_adapter: Callable[..., Path],
    picture: Callable[..., Image.Image],
    tmp_path: Path,
) -> None:
    assert run(tryon).exit_code == 0
    adapter = train_adapter(tryon.output)
    picture(*SIZE, seed=9).save(tmp_path / "me.png")
    square(1).save(tmp_path / "ones.png")
    square(255).save(tmp_path / "white.png")
    results = []
    for mask in ("ones.png", "white.png", "me.png"):
        output = tmp_path / f"of-{mask}"
        images = [f"hidden={tmp_path / 'me.png'}", f"mask={tmp_path / mask}"]
        given = [part for image in images for part in ("--image", image)]
        arguments = [str(adapter), *given, "--steps", "1", "--output", str(output)]
        results.append((CliRunner().invoke(sample_app, arguments), output))
    (ones, first), (white, second), (refused, third) = results
    assert (ones.exit_code, white.exit_code) == (0, 0), ones.output + white.output
    assert (np.asarray(Image.open(first)) == np.asarray(Image.open(second))).all()
    assert refused.exit_code == 2
    assert "mask mask has many colours, as a picture has" in refused.output
    assert not third.exists()
