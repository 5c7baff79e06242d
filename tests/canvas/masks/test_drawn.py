"""Masks that a recipe draws: never empty, alike for all panels of a row, another for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from onepic.canvas.layout import Layout
from onepic.canvas.masks.drawn import DRAWN_MASKS, NOTATION, BorderMask, BoxMask, BrushMask
from onepic.canvas.panels import PreparedRow, prepare_rows
from onepic.canvas.row import Row
from onepic.common.named import dump_named
from onepic.compiler.recipe import Recipe

SIZES = st.tuples(st.integers(16, 96), st.integers(16, 96))
SEEDS = st.integers(0, 2**32)
HOLE = {"hole": "box"}


def inpainting(**changes: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "task": "inpainting",
            "source": {"kind": "photos"},
            "masks": HOLE,
            "panels": {
                "holed": {"from": "image", "apply": [{"erase": {"mask": "hole", "colour": "red"}}]},
                "whole": {"from": "image"},
            },
            "layout": [["holed", "whole"]],
            "target": {"panel": "whole", "mask": "hole"},
        }
        | changes
    )


def prepare(recipe: Recipe, *keys: str, **more: Any) -> list[PreparedRow]:
    layout = Layout(recipe.layout, 64, 48, 8)
    rows = [Row(key, {"image": Image.new("RGB", (90, 60), "blue"), **more}) for key in keys]
    prepared = prepare_rows(recipe, layout, rows)
    assert all(isinstance(row, PreparedRow) for row in prepared), prepared
    return [row for row in prepared if isinstance(row, PreparedRow)]


@pytest.mark.parametrize("name", DRAWN_MASKS)
@given(size=SIZES, seed=SEEDS)
def test_a_mask_marks_something_and_is_black_and_white(name, size, seed):
    mask = NOTATION.parse(name).draw(size, np.random.default_rng(seed))
    assert mask.mode == "L"
    assert mask.size == size
    values = set(np.unique(np.asarray(mask)).tolist())
    assert 255 in values
    assert values <= {0, 255}


@pytest.mark.parametrize("name", DRAWN_MASKS)
def test_a_mask_follows_its_seed(name):
    draws = [
        NOTATION.parse(name).draw((64, 64), np.random.default_rng(seed)).tobytes()
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


@given(size=SIZES, seed=SEEDS, shares=st.tuples(*[st.floats(0.05, 0.9)] * 2))
def test_a_box_covers_the_share_that_it_was_told(size, seed, shares):
    smallest, largest = sorted(shares)
    mask = BoxMask(smallest=smallest, largest=largest).draw(size, np.random.default_rng(seed))
    left, top, right, bottom = mask.getbbox()
    area = (right - left) * (bottom - top)
    assert np.count_nonzero(np.asarray(mask)) == area
    rounding = (size[0] + size[1] + 1) / 2 / (size[0] * size[1])
    assert area / (size[0] * size[1]) <= largest + rounding
    if largest <= 0.5:  # a longer box is cut at the panel's side
        assert area / (size[0] * size[1]) >= smallest - rounding


@given(size=SIZES, seed=SEEDS)
def test_a_border_leaves_the_middle_and_reaches_the_edge(size, seed):
    pixels = np.asarray(BorderMask().draw(size, np.random.default_rng(seed)))
    assert pixels[size[1] // 2, size[0] // 2] == 0
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert edges.max() == 255


def test_a_brush_of_more_strokes_marks_more():
    few, many = (
        np.mean(
            [
                np.asarray(BrushMask(strokes=n).draw((64, 64), np.random.default_rng(seed))).mean()
                for seed in range(20)
            ]
        )
        for n in (1, 16)
    )
    assert many > 2 * few


def test_the_hole_of_the_source_is_the_target():
    (row,) = prepare(inpainting(), "a")
    erased = (row.panels["holed"] == (255, 0, 0)).all(axis=2)
    assert (erased == row.narrowed).all()
    assert 0 < erased.sum() < erased.size
    assert (row.panels["whole"] == (0, 0, 255)).all()


def test_each_row_has_a_hole_of_its_own_which_follows_the_recipes_seed():
    first, second = prepare(inpainting(), "a", "b")
    (again,) = prepare(inpainting(), "a")
    (other,) = prepare(inpainting(seed=1), "a")
    assert (first.narrowed == again.narrowed).all()
    assert (first.narrowed != second.narrowed).any()
    assert (first.narrowed != other.narrowed).any()


def test_a_mask_that_the_row_brings_goes_before_a_drawn_one():
    given_mask = Image.new("L", (90, 60))
    given_mask.paste(255, (0, 0, 45, 60))
    (row,) = prepare(inpainting(), "a", hole=given_mask)
    assert row.narrowed[:, :28].all()
    assert not row.narrowed[:, 36:].any()


def test_a_drawn_mask_is_no_column_of_the_source():
    assert inpainting().columns.images == ("image",)


def test_a_recipe_with_masks_survives_its_own_dump():
    recipe = inpainting(masks={"hole": {"brush": {"strokes": 2}}})
    again = Recipe.model_validate(recipe.model_dump(mode="json", by_alias=True))
    assert again == recipe
    assert dump_named(recipe.masks["hole"]) == {"brush": {"strokes": 2, "width": 0.15}}


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"hole": "brusch"}, "unknown mask 'brusch'; did you mean 'brush'"),
        ({"hole": {"box": {"small": 1}}}, "small"),
        ({"hole": {"box": {"smallest": 0.5, "largest": 0.2}}}, "smallest 0.5 is above largest 0.2"),
        ({"hole": {"border": {"largest": 0.6}}}, "stay below 0.5"),
        ({"hole": 3}, "a mask is a name"),
        ({"hole": {"read": {"label": [1]}}}, "read.label: unknown key; did you mean 'labels'"),
        ({"hole": {"read": {"labels": []}}}, "read.labels: "),
        ({"hole": {"read": {"labels": ["#12"]}}}, "read.labels"),
        ({"hole": {"read": {"alpha": True}}}, "read.alpha: Input should be 'transparent' or"),
        ({"hole": {"read": {"allow": ["all"]}}}, "read.allow"),
        (
            {"hole": {"read": {"labels": [1], "threshold": 3}}},
            "labels and threshold exclude each other; keep one of them",
        ),
        ({"hole": "box", "other": "read"}, "masks.other: nothing uses this mask"),
        ({"hole": "box", "other": "box"}, "masks.other: nothing uses this mask"),
    ],
)
def test_a_mask_that_cannot_be_drawn_is_refused_with_advice(masks, message):
    with pytest.raises(ValidationError) as raised:
        inpainting(masks=masks)
    assert message in str(raised.value)


def test_a_mask_that_is_read_is_a_column_of_the_source_and_survives_a_dump():
    how = {"labels": [1, "#ff0000"], "invert": True, "allow": ["full"]}
    recipe = inpainting(masks={"hole": {"read": how}})
    assert recipe.columns.images == ("image", "hole")
    assert recipe.mask_columns == ("hole",)
    assert recipe.drawn_masks == {}
    assert recipe.reading_of("hole").labels == (1, (255, 0, 0))
    again = Recipe.model_validate(recipe.model_dump(mode="json", by_alias=True))
    assert again == recipe


def test_an_operation_on_original_pixels_takes_a_mask_that_is_read():
    panels = {
        "holed": {"from": "image", "apply": [{"crop_to_mask": {"mask": "hole"}}]},
        "whole": {"from": "image"},
    }
    recipe = inpainting(panels=panels, masks={"hole": {"read": {"labels": [1]}}})
    assert recipe.masks_of("holed", stage="geometry") == ("hole",)
    assert recipe.masks_of("holed", stage="pixels") == ()
    assert recipe.masks_of("whole", stage="pixels") == ("hole",)


def test_an_operation_on_original_pixels_takes_no_drawn_mask():
    panels = {
        "holed": {"from": "image", "apply": [{"crop_to_mask": {"mask": "hole"}}]},
        "whole": {"from": "image"},
    }
    with pytest.raises(ValidationError, match="give it a mask column of the source"):
        inpainting(panels=panels)
