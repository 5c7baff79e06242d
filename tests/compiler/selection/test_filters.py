"""What each filter keeps and drops, with which reason, and which filters a recipe may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from onepic.canvas.layout import Layout
from onepic.canvas.panels import prepare_rows
from onepic.canvas.row import Row
from onepic.common.errors import DroppedRowError, RowError
from onepic.common.named import dump_named
from onepic.compiler.recipe import Recipe
from onepic.compiler.selection.filters import FILTERS, NOTATION, check_size, check_values

SIDE = st.integers(1, 5000)


def recipe(*filters: Any, **changes: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "task": "pairs",
            "source": {"kind": "photos"},
            "filters": filters,
            "panels": {"before": {"from": "before"}, "after": {"from": "after"}},
            "layout": [["before", "after"]],
            "target": "after",
        }
        | changes
    )


def score(value: Any, **bounds: float) -> str | None:
    """Why the filter drops a row with this score, if it does."""
    try:
        check_values([NOTATION.parse({"score": {"column": "s"} | bounds})], {"s": value})
    except DroppedRowError as error:
        return error.reason
    return None


def size(width: int, height: int, **options: Any) -> str | None:
    """Why the filter that has the only option drops an image, if it does."""
    ((name, bounds),) = options.items()
    try:
        check_size([NOTATION.parse({name: bounds})], "image", (width, height))
    except DroppedRowError as error:
        return error.reason
    return None


def refusal(*filters: Any, **changes: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        recipe(*filters, **changes)
    return str(raised.value)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_score_is_kept_between_its_bounds_and_at_them(value, a, b):
    least, most = sorted((a, b))
    assert (score(value, least=least, most=most) is None) == (least <= value <= most)
    assert (score(value, least=least) is None) == (value >= least)
    assert (score(value, most=most) is None) == (value <= most)
    assert score(least, least=least, most=most) is None


@pytest.mark.parametrize("value", [5, 5.0, "5", " 5.0 ", "5e0", True])
def test_numbers_count_however_a_table_writes_them(value):
    assert score(value, least=1) is None


def test_the_reason_has_the_number_and_the_bound():
    assert score("4.25", least=5.5) == "score s: 4.25; at least 5.5 is kept"
    assert score(0.9, most=0.5) == "score s: 0.9; at most 0.5 is kept"


@pytest.mark.parametrize("value", [None, "", float("nan"), "NaN"])
def test_a_row_without_a_score_is_dropped(value):
    reason = score(value, least=5)
    assert reason is not None
    assert reason.startswith("score s: the column is empty")


@pytest.mark.parametrize("value", ["good", "5,5", ("4", "5"), b"5\xff"])
def test_a_score_that_is_no_number_is_a_fault(value):
    with pytest.raises(RowError, match=r"the column 's' holds .*; expected a number") as caught:
        score(value, least=5)
    assert not isinstance(caught.value, DroppedRowError)
    assert caught.value.stage == "read"


@given(SIDE, SIDE, SIDE, SIDE)
def test_an_image_is_large_enough_when_both_sides_are(width, height, least_width, least_height):
    reason = size(width, height, min_size={"width": least_width, "height": least_height})
    assert (reason is None) == (width >= least_width and height >= least_height)
    assert (size(width, height, min_size={"width": least_width}) is None) == (width >= least_width)


@given(SIDE, SIDE, st.floats(0.01, 100), st.floats(0.01, 100))
def test_an_aspect_is_width_by_height(width, height, a, b):
    least, most = sorted((a, b))
    kept = size(width, height, aspect={"least": least, "most": most}) is None
    assert kept == (least <= width / height <= most)


def test_sizes_are_named_in_the_reason():
    reason = size(400, 300, min_size={"width": 512, "height": 512})
    assert reason == "min_size: image is 400 x 300 px; at least 512 px wide is kept"
    reason = size(400, 100, aspect={"most": 2})
    assert reason == "aspect: image is 400 x 100 px, 4; at most 2 is kept"


def prepared(*filters: Any, **images: Any) -> Any:
    """What becomes of a row: its outcome."""
    pictures = {"before": Image.new("RGB", (90, 60)), "after": Image.new("RGB", (40, 60))} | images
    made = recipe(*filters)
    (outcome,) = prepare_rows(made, Layout(made.layout, 64, 48, 8), [Row("a", pictures)])
    return outcome


def test_by_default_all_images_of_a_row_are_asked():
    outcome = prepared({"min_size": {"width": 50}})
    assert isinstance(outcome, DroppedRowError)
    assert (outcome.stage, outcome.filter) == ("filter", "min_size")
    assert outcome.reason == "min_size: after is 40 x 60 px; at least 50 px wide is kept"


def test_a_filter_can_be_of_one_column():
    assert not isinstance(prepared({"min_size": {"width": 50, "of": "before"}}), RowError)
    outcome = prepared({"min_size": {"width": 50, "of": "after"}})
    assert outcome.filter == "min_size of after"


def test_scores_are_asked_before_any_image_is_looked_at():
    outcome = prepared({"score": {"column": "s", "least": 1}}, before=b"no image", s="0")
    assert isinstance(outcome, DroppedRowError)


def test_a_small_image_is_dropped_even_if_its_pixels_are_damaged(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 40, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:200])
    assert isinstance(prepared({"min_size": {"width": 50}}, after=str(path)), DroppedRowError)
    outcome = prepared({"min_size": {"width": 30}}, after=str(path))
    assert (outcome.stage, isinstance(outcome, DroppedRowError)) == ("decode", False)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (["scores"], "unknown filter 'scores'; did you mean 'score'?"),
        ([{"score": {"column": "s"}}], "score: nothing is asked for; give least, most or both"),
        ([{"score": {"least": 5}}], "score.column: this key is required"),
        ([{"score": {"column": "s", "least": 5, "most": 4}}], "least 5 is above most 4"),
        (
            [{"score": {"column": "s", "leest": 5}}],
            "score.leest: unknown key; did you mean 'least'",
        ),
        ([{"aspect": {"least": 2, "most": 1}}], "least 2 is above most 1"),
        ([{"aspect": {"least": 0}}], "aspect.least: Input should be greater than 0"),
        (["min_size"], "min_size: nothing is asked for; give width, height or both"),
        (["duplicates"], "duplicates.of: this key is required"),
        ([{"near_duplicates": {"of": "after", "distance": 11}}], "less than or equal to 10"),
        (
            [{"duplicates": {"of": "aftr"}}],
            "filters.0.duplicates: no panel is made from a column 'aftr'; did you mean 'after'?",
        ),
        (
            [{"score": {"column": "after", "least": 5}}],
            "filters.0.score: the column 'after' holds the images of a panel",
        ),
        (
            [{"score": {"column": "s", "least": 5}}, {"score": {"column": "s", "most": 7}}],
            "filters.1.score: 'score s' is there twice",
        ),
    ],
)
def test_a_filter_that_cannot_work_is_refused(filters, words):
    assert words in refusal(*filters)


def test_scores_are_read_from_the_source_and_must_be_there():
    columns = recipe({"score": {"column": "s", "least": 5}}, prompt="{s|a} {t|b}").columns
    assert columns.texts == ("s", "t")
    assert columns.optional_texts == ("t",)


@pytest.mark.parametrize(
    "plain",
    [
        {"score": {"column": "s", "least": 5}},
        {"min_size": {"height": 5}},
        {"aspect": {"most": 2, "of": "after"}},
        {"duplicates": {"of": "after"}},
        {"near_duplicates": {"of": "after"}},
    ],
    ids=lambda plain: next(iter(plain)),
)
def test_what_is_written_out_is_read_back(plain):
    found = NOTATION.parse(plain)
    assert NOTATION.parse(dump_named(found)) == found
    assert next(iter(plain)) in FILTERS
