"""What bad input gets: a clear message, the right exit code, and nothing lost that was finished."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from onepic import miniature

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

RUN = ("recipe.yaml", "--output", "data", "--local")


def rejections(project: Project) -> dict[str, tuple[str, str]]:
    """Stage and reason by the row's own name."""
    rows = pq.read_table(project.output / "rejected.parquet").to_pylist()
    return {row["source"]: (row["stage"], row["reason"]) for row in rows}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def write_text(path: Path) -> None:
    path.write_text("this is no picture")


def write_one_pixel(path: Path) -> None:
    Image.new("RGB", (1, 1)).save(path)


@pytest.mark.parametrize(
    ("damage", "stage", "words"),
    [
        (truncate, "decode", "truncated"),
        (write_text, "decode", "005.png"),
        (write_one_pixel, "decode", "1x1"),
    ],
)
def test_a_bad_picture_is_rejected_by_name_and_the_others_are_compiled(
    pictures: Project, onepic_compile: Command, damage: Any, stage: str, words: str
) -> None:
    damage(pictures.root / "pictures" / "005.png")
    result = onepic_compile.here(*RUN, "--set", "max_rejected=0.2")
    assert result.code == 0, result.errors
    assert "11 samples" in result.output
    assert "rejected: 1 rows, see data/rejected.parquet" in result.output
    assert list(rejections(pictures)) == ["005.png"]
    assert rejections(pictures)["005.png"][0] == stage
    assert words in rejections(pictures)["005.png"][1]


def test_too_many_rejected_rows_fail_the_run_and_keep_the_good_ones(
    pictures: Project, onepic_compile: Command
) -> None:
    for number in (1, 2, 3):
        write_text(pictures.root / "pictures" / f"{number:03d}.png")
    result = onepic_compile.here(*RUN)
    assert result.code == 1
    assert "3 of 12 rows were rejected (25.0%), more than max_rejected allows" in result.errors
    assert "9 samples are kept" in result.errors
    assert onepic_compile.here("--verify", "data").code == 0


def test_an_empty_caption_is_rejected_with_the_way_to_a_default(
    pictures: Project, onepic_compile: Command
) -> None:
    for number in range(12):
        caption = "" if number == 4 else "a picture"
        (pictures.root / "pictures" / f"{number:03d}.txt").write_text(caption)
    pictures.write_recipe(prompt="{caption}", max_rejected=0.5)
    assert onepic_compile.here(*RUN).code == 0
    stage, reason = rejections(pictures)["004.png"]
    assert stage == "prompt"
    assert "{caption|...}" in reason


def test_a_mask_of_another_size_is_rejected(pictures: Project, onepic_compile: Command) -> None:
    pictures_folder = pictures.root / "pictures"
    (pictures.root / "pairs").mkdir()
    pictures_folder.rename(pictures.root / "pairs" / "image")
    (pictures.root / "pairs" / "mask").mkdir()
    for number in range(12):
        size = (20, 20) if number == 7 else (64, 48)
        mask = Image.new("L", size)
        mask.paste(255, (0, 0, 12, 12))
        mask.save(pictures.root / "pairs" / "mask" / f"{number:03d}.png")
    pictures.write_recipe(
        source={"kind": "folder", "path": "pairs"},
        target={"panel": "colour", "mask": "mask"},
        max_rejected=0.5,
    )
    result = onepic_compile.here(*RUN)
    assert result.code == 0, result.errors
    stage, reason = rejections(pictures)["007"]
    assert stage == "mask"
    assert "20x20" in reason
    assert "64x48" in reason


def test_a_missing_column_is_named_with_those_that_exist(
    pictures: Project, onepic_compile: Command
) -> None:
    (pictures.root / "table.csv").write_text("picture,text\npictures/000.png,hello\n")
    pictures.write_recipe(source={"kind": "table", "path": "table.csv"})
    result = onepic_compile.here(*RUN)
    assert result.code == 2
    assert "table.csv" in result.errors
    assert "'image'" in result.errors
    assert "picture, text" in result.errors


def test_a_zero_byte_parquet_is_named(pictures: Project, onepic_compile: Command) -> None:
    (pictures.root / "table.parquet").touch()
    pictures.write_recipe(source={"kind": "table", "path": "table.parquet"})
    result = onepic_compile.here(*RUN)
    assert result.code == 2
    assert "table.parquet" in result.errors
    assert "Traceback" not in result.errors


def test_a_folder_without_images_is_named(pictures: Project, onepic_compile: Command) -> None:
    (pictures.root / "empty").mkdir()
    result = onepic_compile.here(*RUN, "--source", "empty")
    assert result.code == 2
    assert str(pictures.root / "empty") in result.errors
    assert not (pictures.output / "dataset.json").exists()


def test_a_misspelt_key_names_its_line_and_the_closest_key(
    pictures: Project, onepic_compile: Command
) -> None:
    recipe = pictures.root / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("prompt:", "promt:"))
    line = 1 + [row.partition(":")[0] for row in recipe.read_text().splitlines()].index("promt")
    result = onepic_compile.here(*RUN)
    assert result.code == 2
    assert f"recipe.yaml:{line}: promt: unknown key; did you mean 'prompt'?" in result.errors


def test_a_target_outside_the_layout_is_named(pictures: Project, onepic_compile: Command) -> None:
    result = onepic_compile.here(*RUN, "--set", "target=color")
    assert result.code == 2
    assert "panel 'color' is not in the layout" in result.errors
    assert "did you mean 'colour'?" in result.errors


def test_a_model_without_a_vae_is_named(pictures: Project, onepic_compile: Command) -> None:
    model = pictures.root / "model"
    shutil.copytree(miniature.path(), model)
    shutil.rmtree(model / "vae")
    result = onepic_compile.here(*RUN, "--model", "model")
    assert result.code == 2
    assert "model model" in result.errors
    assert "vae/config.json" in result.errors


def test_weights_that_do_not_fit_their_config_are_named(
    pictures: Project, onepic_compile: Command
) -> None:
    model = pictures.root / "model"
    shutil.copytree(miniature.path(), model)
    config = model / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"latent_channels": 16}))
    result = onepic_compile.here(*RUN, "--model", "model")
    assert result.code == 2
    assert "vae cannot be loaded" in result.errors
    assert "Traceback" not in result.errors


def test_a_panel_size_that_the_vae_cannot_encode_proposes_the_nearest(
    pictures: Project, onepic_compile: Command
) -> None:
    result = onepic_compile.here(*RUN, "--panel-size", "100x60")
    assert result.code == 2
    assert "the nearest that is: 96 x 64" in result.errors


def test_an_output_that_is_a_file_is_refused(pictures: Project, onepic_compile: Command) -> None:
    pictures.output.write_text("something else")
    result = onepic_compile.here(*RUN)
    assert result.code == 2
    assert "data: cannot write there" in result.errors
    assert pictures.output.read_text() == "something else"
