"""What a recipe may say, what it means, and what is refused with which advice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from onepic import recipes
from onepic.canvas.operations import OPERATIONS
from onepic.common.strict import suggest
from onepic.compiler.recipe import Recipe, recipe_schema

RECIPES = sorted(Path(recipes.__file__).parent.glob("*.yaml"))


def plain(**changes: Any) -> dict[str, Any]:
    """A valid recipe as YAML would give it, with some of its keys changed."""
    return {
        "task": "colorization",
        "source": {"kind": "photos"},
        "panels": {
            "grey": {"from": "image", "apply": ["grayscale"]},
            "colour": {"from": "image"},
        },
        "layout": [["grey", "colour"]],
        "target": "colour",
    } | changes


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(plain(**changes))


def panels(*names: str, **options: Any) -> dict[str, Any]:
    return {name: {"from": "image"} | options for name in names}


def refusal(**changes: Any) -> str:
    """The message with which a recipe is refused."""
    with pytest.raises(ValidationError) as raised:
        recipe(**changes)
    return str(raised.value)


def schema_errors(**changes: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(recipe_schema())
    return [error.message for error in validator.iter_errors(plain(**changes))]


MISSPELT = {
    "top": ({"panles": {}}, (), "panles", "panels"),
    "panel": (
        {"panels": panels("grey") | panels("colour", aply=[])},
        ("panels", "colour"),
        "aply",
        "apply",
    ),
    "source": ({"source": {"kind": "photos", "crop": 3}}, ("source", "photos"), "crop", "crops"),
    "panel_size": (
        {"panel_size": {"width": 64, "heigth": 64}},
        ("panel_size", "PanelSize"),
        "heigth",
        "height",
    ),
    "target": ({"target": {"panel": "colour", "msk": "m"}}, ("target",), "msk", "mask"),
}


@pytest.mark.parametrize("case", MISSPELT.values(), ids=MISSPELT)
def test_a_misspelt_key_names_its_place_and_the_closest_valid_one(case: Any) -> None:
    changes, place, key, closest = case
    with pytest.raises(ValidationError) as raised:
        recipe(**changes)
    (error,) = [error for error in raised.value.errors() if error["type"] == "unknown_key"]
    assert error["loc"] == place
    assert error["ctx"]["key"] == key
    assert f"unknown key; did you mean {closest!r}? known: " in error["msg"]


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


def test_a_name_like_no_other_still_brings_the_known_ones() -> None:
    assert suggest("zzz", ["a", "b"]) == "known: a, b"
    assert suggest("zzz", []) == "known: none"


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


FULL = plain(
    panels={
        "edges": {"from": "image", "apply": [{"canny": {"low": 3}}, "invert"]},
        "hole": {"from": "image", "apply": [{"erase": {"mask": "m", "colour": "red"}}]},
        "whole": {"from": "photo"},
    },
    layout=[["edges", "hole"], ["edges", "whole"]],
    target={"panel": "whole", "mask": "m"},
    source={"kind": "folder", "path": "/data", "columns": {"photo": "inputs"}},
    prompt="{{a}} {caption|nothing}",
    panel_size={"width": 64, "height": 32},
    background="white",
    align=["image", "photo"],
    limit=3,
)


@pytest.mark.parametrize("data", [plain(), FULL], ids=["small", "full"])
def test_a_dumped_recipe_is_read_back_as_the_same(data: dict[str, Any]) -> None:
    made = Recipe.model_validate(data)
    dump = made.model_dump(by_alias=True)
    assert Recipe.model_validate(dump) == made
    assert Recipe.model_validate(dump).model_dump(by_alias=True) == dump
    as_json = json.dumps(made.model_dump(mode="json", by_alias=True))
    assert Recipe.model_validate(json.loads(as_json)) == made


def test_the_schema_is_a_json_schema() -> None:
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == "onepic recipe"
    json.dumps(schema)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.name)
def test_our_recipes_are_valid_by_model_and_schema(file: Path) -> None:
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    Recipe.model_validate(data)
    jsonschema.validate(data, recipe_schema(), jsonschema.Draft202012Validator)


def test_the_schema_beside_our_recipes_is_the_present_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, operation in list(OPERATIONS.items()):
        if not operation.__module__.startswith("onepic."):  # another test's
            monkeypatch.delitem(OPERATIONS, name)
    written = RECIPES[0].with_name("recipe.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == recipe_schema()


def test_there_are_recipes_to_check() -> None:
    assert RECIPES


@pytest.mark.parametrize("data", [plain(), FULL], ids=["small", "full"])
def test_what_the_model_accepts_the_schema_accepts(data: dict[str, Any]) -> None:
    assert schema_errors(**data) == []


@pytest.mark.parametrize("case", MISSPELT.values(), ids=MISSPELT)
def test_a_misspelt_key_is_an_error_by_the_schema_too(case: Any) -> None:
    assert schema_errors(**case[0])


@pytest.mark.parametrize("step", ["grayscal", {"canny": {"lo": 3}}, {"cany": {}}, {"canny": 3}])
def test_a_misspelt_operation_is_an_error_by_the_schema_too(step: Any) -> None:
    assert schema_errors(panels=panels("grey", "colour", apply=[step]))


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


def test_the_column_that_makes_groups_is_read_and_a_folder_is_no_column(bare_project):
    for group, texts in {"caption": ("caption",), "folder": ()}.items():
        source = {"kind": "folder", "path": "pictures", "group": group}
        assert bare_project.recipe(source=source).columns.texts == texts


def test_a_column_of_images_makes_no_groups(bare_project):
    source = {"kind": "folder", "path": "pictures", "group": "image"}
    with pytest.raises(ValueError, match=r"source\.group: the column 'image' holds images"):
        bare_project.recipe(source=source)
