"""What a recipe may say of a canvas, what it means, and what is refused with which advice."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from onepic.canvas.operations import OPERATIONS
from onepic.canvas.recipe import OF_COMPILING, CanvasRecipe, canvas_recipe
from onepic.compiler.recipe import Recipe


def plain(**changes: Any) -> dict[str, Any]:
    """A valid half of a recipe as YAML would give it, with some of its keys changed."""
    return {
        "task": "colorization",
        "panels": {
            "grey": {"from": "image", "apply": ["grayscale"]},
            "colour": {"from": "image"},
        },
        "layout": [["grey", "colour"]],
        "target": "colour",
    } | changes


def recipe(**changes: Any) -> CanvasRecipe:
    return CanvasRecipe.model_validate(plain(**changes))


def panels(*names: str, **options: Any) -> dict[str, Any]:
    return {name: {"from": "image"} | options for name in names}


def refusal(**changes: Any) -> str:
    """The message with which a recipe is refused."""
    with pytest.raises(ValidationError) as raised:
        recipe(**changes)
    return str(raised.value)


def test_the_halves_make_the_whole() -> None:
    assert set(Recipe.model_fields) - set(CanvasRecipe.model_fields) == set(OF_COMPILING)


def test_the_canvas_half_is_taken_from_a_whole_recipe() -> None:
    data = plain(prompt="colorize {caption}")
    whole = Recipe.model_validate(data | {"source": {"kind": "photos"}, "limit": 3})
    half = canvas_recipe(whole.model_dump(by_alias=True))
    assert half == canvas_recipe(data)
    assert half.columns == whole.columns


def test_a_key_of_neither_half_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour_space"):
        canvas_recipe(plain(colour_space="lab"))


def test_a_canvas_wants_every_row() -> None:
    data = plain(prompt="{caption}", filters=[{"score": {"column": "s", "least": 5}}])
    half = canvas_recipe(data)
    half.check_values({"s": 1})
    assert half.columns.texts == ("caption",)


def test_a_misspelt_option_of_an_operation_names_operation_and_closest() -> None:
    message = refusal(panels=panels("grey", "colour", apply=["invert", {"canny": {"lo": 3}}]))
    assert "panels.grey.apply.1" in message
    assert "canny.lo: unknown key; did you mean 'low'? known: low, high" in message


def test_a_wrong_option_of_an_operation_names_the_option() -> None:
    message = refusal(panels=panels("grey", "colour", apply=[{"canny": {"low": "much"}}]))
    assert "canny.low: Input should be a valid integer" in message
    message = refusal(panels=panels("grey", "colour", apply=[{"canny": {"low": 300}}]))
    assert "canny: low (300) must not be above high (200)" in message


def test_an_unknown_operation_names_the_closest_and_all_others() -> None:
    message = refusal(panels=panels("grey", "colour", apply=["grayscal"]))
    assert "unknown operation 'grayscal'; did you mean 'grayscale'?" in message
    assert ", ".join(sorted(OPERATIONS)) in message


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            [["grey", "colour"], ["grey"]],
            "layout: row 2 has 1 panels and row 1 has 2; all rows need the same number",
        ),
        ([[]], "layout: row 1 has 0 panels"),
        (
            [["grey", "colour"], ["grey", "gry"]],
            "layout: row 2 names an unknown panel 'gry'; did you mean 'grey'? known: grey, colour",
        ),
        ([["colour", "colour"]], "panels.grey: the layout does not show this panel"),
        ([], "layout\n  Tuple should have at least 1 item"),
    ],
    ids=["ragged", "empty row", "unknown panel", "unused panel", "empty"],
)
def test_a_layout_that_is_no_full_grid_of_the_panels_is_refused(layout: Any, message: str) -> None:
    assert message in refusal(layout=layout)


@pytest.mark.parametrize(
    ("layout", "target", "message"),
    [
        ([["grey", "colour"]], "color", "'color' is not in the layout; .*did you mean 'colour'"),
        ([["grey", "colour", "colour"]], "colour", "'colour' is there 2 times; .* exactly once"),
        ([["grey", "colour"]], ["grey", "colour"], "every panel is a target; leave at least one"),
        ([["grey", "colour"]], ["colour", "colour"], "'colour' is named twice; name it once"),
        ([["grey", "colour"]], [], "at least 1 item"),
    ],
    ids=["absent", "twice in the layout", "every panel", "named twice", "none"],
)
def test_a_target_that_cannot_be_learned_is_refused(layout: Any, target: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=rf"target(: |\.panels\n).*{message}"):
        recipe(layout=layout, target=target)


def test_a_mask_narrows_only_a_single_panel() -> None:
    changes = {"panels": panels("a", "b", "c"), "layout": [["a", "b", "c"]]}
    narrowed = recipe(**changes, target={"panels": ["b"], "mask": "hole"})
    assert narrowed.target.mask == "hole"
    message = refusal(**changes, target={"panels": ["b", "c"], "mask": "hole"})
    assert "target: a mask narrows one panel; give a single panel" in message


@pytest.mark.parametrize(
    ("short", "names", "mask"),
    [
        ("b", ("b",), None),
        (["b", "c"], ("b", "c"), None),
        ({"panel": "b"}, ("b",), None),
        ({"panel": "b", "mask": "hole"}, ("b",), "hole"),
        ({"panels": ["b", "c"]}, ("b", "c"), None),
    ],
)
def test_a_target_has_short_forms(short: Any, names: tuple[str, ...], mask: str | None) -> None:
    target = recipe(panels=panels("a", "b", "c"), layout=[["a", "b", "c"]], target=short).target
    assert (target.panels, target.mask) == (names, mask)


def test_no_key_of_a_target_is_dropped() -> None:
    message = refusal(target={"panel": "colour", "panels": ["grey"]})
    assert "unknown key; did you mean 'panels'" in message


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [("kind", "labels", "picture"), ("range", "minmax", [0, 9]), ("range", "full", "minmax")],
)
def test_a_column_is_read_in_one_way(key: str, one: Any, other: Any) -> None:
    given = panels("grey", **{key: one}) | panels("colour", **{key: other})
    message = refusal(panels=given)
    assert f"panels.colour: {key} is" in message
    assert "panels.grey shows the same column 'image'" in message
    assert recipe(panels=given | {"colour": {"from": "other", key: other}})


def test_a_range_that_is_none_names_its_panel_and_what_is_expected() -> None:
    message = refusal(panels=panels("grey", "colour", range=[0, 0]))
    assert "panels.grey.range" in message
    assert "expected full, minmax, or two different numbers" in message


def test_columns_that_align_are_those_of_panels() -> None:
    assert recipe(align=["image"]).align == ("image",)
    message = refusal(align=["imge"])
    assert "align: no panel is made from a column 'imge'; did you mean 'image'?" in message


@pytest.mark.parametrize("prompt", ["a {caption", "a caption}", "a {}", "{{caption}"])
def test_a_prompt_with_broken_braces_is_refused_saying_where(prompt: str) -> None:
    message = refusal(prompt=prompt)
    assert "at character " in message
    assert "write {column} or {column|default}" in message


@pytest.mark.parametrize("task", ["", "a/b", "../up", ".hidden", "with space"])
def test_a_task_is_a_plain_file_name(task: str) -> None:
    assert "task\n" in refusal(task=task)


def test_a_colour_is_a_name_or_numbers() -> None:
    assert recipe(background="#ff0080").background == (255, 0, 128)
    assert recipe(background=[1, 2, 3]).background == (1, 2, 3)
    assert "background" in refusal(background=[1, 2, 256])


def test_everything_read_from_the_source_is_known_beforehand() -> None:
    columns = recipe(
        panels={
            "hole": {"from": "image", "apply": [{"erase": {"mask": "area"}}]},
            "garment": {"from": "cloth"},
            "whole": {"from": "image"},
        },
        layout=[["hole", "garment", "whole"]],
        target={"panel": "whole", "mask": "body"},
        prompt="{caption|a person} in {style}",
    ).columns
    assert columns.images == ("image", "cloth", "area", "body")
    assert columns.texts == ("caption", "style")
    assert columns.optional_texts == ("caption",)


def test_masks_belong_to_the_panels_that_need_them() -> None:
    made = recipe(
        panels=panels("hole", apply=[{"erase": {"mask": "area"}}]) | panels("whole"),
        layout=[["hole", "whole"]],
        target={"panel": "whole", "mask": "area"},
    )
    assert made.masks_of("hole") == made.masks_of("whole") == ("area",)
    assert recipe().masks_of("colour") == ()


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipe().seed = 1  # type: ignore[misc]


FOUR = {
    "panels": panels("a", "b", "c", "d"),
    "layout": [["a", "b"], ["c", "d"]],
}


def choosing(choose: Any, **more: Any) -> dict[str, Any]:
    return FOUR | {"target": {"panels": ["a", "b", "c", "d"], "choose": choose} | more}


def test_targets_may_be_all_panels_where_only_some_are_drawn() -> None:
    assert recipe(**choosing([1, 3])).target.choose == (1, 3)
    assert recipe(**choosing(2)).target.choose == (2, 2)


@pytest.mark.parametrize(
    ("choose", "message"),
    [
        ([1, 4], "leave at least one as context"),
        ([0, 2], "two rising numbers from 1 to 4"),
        ([3, 2], "two rising numbers from 1 to 4"),
        ([1, 5], "two rising numbers from 1 to 4"),
    ],
)
def test_a_choice_of_targets_that_cannot_be_drawn_is_refused(choose: Any, message: str) -> None:
    assert message in refusal(**choosing(choose))


def test_a_mask_and_a_choice_of_targets_exclude_each_other() -> None:
    assert "remove one of the two" in refusal(**choosing(1, mask="m"))
