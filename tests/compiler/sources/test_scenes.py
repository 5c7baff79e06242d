from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.recipe import Recipe
from onepic.compiler.scenes.rows import IMAGES, TEXTS
from onepic.compiler.sources import ScenesSource

RECIPES = Path(__file__).parents[3] / "recipes"
TINY = {"kind": "scenes", "count": 3, "size": 64, "seed": 4}


def test_rows_are_as_many_as_asked_for_and_have_names_of_their_own(rows_of):
    rows = rows_of(ScenesSource(count=5, size=32, seed=9))
    assert [row.key for row in rows] == [f"9-{number:06d}" for number in range(5)]


def test_every_column_can_be_read(rows_of):
    (row,) = rows_of(ScenesSource(count=1, size=32), images=tuple(IMAGES), texts=tuple(TEXTS))
    assert set(row.values) == {*IMAGES, *TEXTS}
    for name in IMAGES:
        assert isinstance(row.values[name], Image.Image), name
        assert (row.values[name].mode, row.values[name].size) == ("RGB", (32, 32)), name
    assert all(isinstance(row.values[name], str) for name in TEXTS)


def test_only_the_columns_that_a_recipe_reads_are_in_a_row(rows_of):
    (row,) = rows_of(ScenesSource(count=1, size=32), images=("garment",), texts=("kind",))
    assert set(row.values) == {"garment", "kind"}


def test_the_same_seed_gives_the_same_scenes_and_another_gives_others(rows_of):
    def pixels(seed):
        rows = rows_of(ScenesSource(count=3, size=32, seed=seed))
        return [np.asarray(row.values["image"]).tobytes() for row in rows]

    assert pixels(0) == pixels(0)
    assert not set(pixels(0)) & set(pixels(1))


def test_more_scenes_keep_the_first():
    few = ScenesSource(count=2).scan(Columns(("image",)), Path())
    assert ScenesSource(count=4).scan(Columns(("image",)), Path()).slice(0, 2).equals(few)


def test_the_stamp_says_by_which_version_scenes_are_drawn(stamps_of):
    assert set(stamps_of(ScenesSource(count=2)).values()) == {"scenes=1"}


def test_an_unknown_column_is_an_error_with_a_suggestion():
    with pytest.raises(SourceError, match=r"scenes, images: no column 'edit_msk'.*'edit_mask'"):
        ScenesSource().scan(Columns(("edit_msk",)), Path())
    with pytest.raises(SourceError, match=r"no column 'captoin'; did you mean 'caption'"):
        ScenesSource().scan(Columns(("image",), ("captoin",)), Path())


def test_a_text_with_a_default_may_be_lacking(rows_of):
    source = ScenesSource(count=1, size=32)
    (row,) = rows_of(source, texts=("title", "kind"), optional_texts=("title",))
    assert set(row.values) == {"image", "kind"}


def test_scenes_may_be_upright(rows_of):
    (row,) = rows_of(ScenesSource(count=1, size=[48, 64]), images=("person", "garment"))
    assert {image.size for image in row.values.values()} == {(48, 64)}


def test_a_square_is_written_as_its_side_so_that_older_datasets_stay_as_they_are():
    assert ScenesSource(size=64).model_dump()["size"] == 64
    assert ScenesSource(size=[64, 64]).model_dump()["size"] == 64
    assert ScenesSource(size=[48, 64]).model_dump(mode="json")["size"] == [48, 64]


@pytest.mark.parametrize(
    "wrong",
    [{"count": 0}, {"seed": -1}, {"size": 31}, {"size": [64, 31]}, {"size": [64]}, {"sise": 64}],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        ScenesSource.model_validate(wrong)


@pytest.mark.parametrize("name", ["editing", "try-on"])
def test_shipped_recipes_find_their_columns_in_scenes(name):
    recipe = Recipe.model_validate(yaml.safe_load((RECIPES / f"{name}.yaml").read_text()))
    assert isinstance(recipe.source, ScenesSource)
    assert len(recipe.source.scan(recipe.columns, Path())) == recipe.source.count


def test_a_recipe_over_scenes_compiles_with_their_instructions_as_prompts(bare_project, rows_of):
    summary = bare_project.compile(
        task="editing",
        source=TINY,
        panels={"before": {"from": "image"}, "after": {"from": "edited"}},
        layout=[["before", "after"]],
        target={"panel": "after", "mask": "edit_mask"},
        prompt="{instruction}",
    )
    assert (summary.totals["samples"], summary.rejected) == (3, ())
    indexes = sorted((bare_project.output / "shards").glob("*.parquet"))
    prompts = [text for path in indexes for text in pq.read_table(path)["prompt"].to_pylist()]
    rows = rows_of(ScenesSource.model_validate(TINY), texts=("instruction",))
    assert prompts == [row.values["instruction"] for row in rows]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(("caption",)), "images: no column 'caption'"),
        (Columns(("image",), ("mask",)), "texts: no column 'mask'"),
    ],
)
def test_a_text_is_no_image_and_an_image_no_text(columns, message, tmp_path):
    with pytest.raises(SourceError, match=message):
        ScenesSource().scan(columns, tmp_path)
