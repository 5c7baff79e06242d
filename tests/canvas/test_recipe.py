"""The half of a recipe that says what a canvas is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from onepic.canvas.recipe import OF_COMPILING, CanvasRecipe, canvas_recipe
from onepic.compiler.recipe import Recipe


@pytest.fixture
def data() -> dict[str, Any]:
    return {
        "task": "colorization",
        "panels": {"grey": {"from": "image", "apply": ["grayscale"]}, "colour": {"from": "image"}},
        "layout": [["grey", "colour"]],
        "target": "colour",
        "prompt": "colorize {caption}",
    }


def test_the_halves_make_the_whole() -> None:
    assert set(Recipe.model_fields) - set(CanvasRecipe.model_fields) == set(OF_COMPILING)


def test_the_canvas_half_is_taken_from_a_whole_recipe(data: dict[str, Any]) -> None:
    whole = Recipe.model_validate(data | {"source": {"kind": "photos"}, "limit": 3})
    half = canvas_recipe(whole.model_dump(by_alias=True), Path())
    assert half == canvas_recipe(data, Path())
    assert half.columns == whole.columns


def test_a_key_of_neither_half_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="colour_space"):
        canvas_recipe(data | {"colour_space": "lab"}, Path())


def test_a_canvas_wants_every_row(data: dict[str, Any]) -> None:
    half = canvas_recipe(data | {"filters": [{"score": {"column": "s", "least": 5}}]}, Path())
    half.check_values({"s": 1})
    assert half.columns.texts == ("caption",)
