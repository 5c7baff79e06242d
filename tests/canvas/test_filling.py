"""The recipes of canvases that are filled, made from the one that a task was learned by."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from onepic.canvas.filling import arranged, filling, inputs_of, of_inputs, shown_panels
from onepic.canvas.recipe import CanvasRecipe


def recipe_of(**changes: Any) -> CanvasRecipe:
    """A story of three panels in a row; the last one is the target."""
    names = ["one", "two", "three"]
    data = {
        "task": "story",
        "panels": {name: {"from": "image"} for name in names},
        "layout": [names],
        "target": "three",
        "prompt": "a story of {caption}",
        "align": ["image"],
    }
    return CanvasRecipe.model_validate(data | changes)


def test_panels_are_shown_in_reading_order_and_each_once():
    grid = [["two", "one"], ["one", "three"]]
    assert shown_panels(recipe_of(layout=grid)) == ("two", "one", "three")
    assert inputs_of(recipe_of(layout=grid)) == ("two", "one")


def test_a_narrowed_target_and_its_mask_are_inputs():
    narrowed = recipe_of(target={"panel": "three", "mask": "hole"})
    assert inputs_of(narrowed) == ("one", "two", "three", "hole")


def test_an_arranged_recipe_is_the_one_that_would_have_been_written():
    steps = {"one": {"from": "image", "apply": ["grayscale", {"blur": {"radius": 3}}]}}
    recipe = recipe_of(panels=recipe_of().model_dump(by_alias=True)["panels"] | steps)
    written = recipe.model_dump(by_alias=True) | {
        "panels": {"three": {"from": "image"}} | steps,
        "layout": [["three", "one"]],
        "align": [],
    }
    assert arranged(recipe, [["three", "one"]]) == CanvasRecipe.model_validate(written)


def test_targets_that_are_not_shown_are_left_out():
    recipe = recipe_of(target=["one", "three"])
    assert arranged(recipe, [["two", "three"]]).target.panels == ("three",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["one", "two"]], "target.panels"),
        ([["one", "four", "three"]], "unknown panel 'four'"),
        ([["three"]], "every panel is a target"),
        ([["one", "three"], ["one"]], "row 2 has 1 panels"),
    ],
)
def test_a_grid_that_no_recipe_could_have_is_refused(rows, message):
    with pytest.raises(ValidationError, match=message):
        arranged(recipe_of(), rows)


def test_drawn_targets_become_those_that_are_filled():
    drawn = recipe_of(target={"panels": ["one", "two", "three"], "choose": [1, 2]})
    fixed = filling(drawn, ["two"])
    assert fixed.target.panels == ("two",)
    assert fixed.target.choose is None
    assert inputs_of(fixed) == ("one", "three")


def test_each_known_panel_is_made_from_the_input_of_its_name():
    known = of_inputs(recipe_of())
    assert {name: panel.from_ for name, panel in known.panels.items()} == {
        "one": "one",
        "two": "two",
    }
    assert known.prompt == "a story of {caption}"


def test_a_given_prompt_names_no_columns():
    known = of_inputs(recipe_of(), "a {red} sun")
    assert known.template.fields == ()
    assert known.template.fill({}) == "a {red} sun"
