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


def test_the_column_that_makes_groups_is_read_and_a_folder_is_no_column(bare_project):
    for group, texts in {"caption": ("caption",), "folder": ()}.items():
        source = {"kind": "folder", "path": "pictures", "group": group}
        assert bare_project.recipe(source=source).columns.texts == texts


def test_a_column_of_images_makes_no_groups(bare_project):
    source = {"kind": "folder", "path": "pictures", "group": "image"}
    with pytest.raises(ValueError, match=r"source\.group: the column 'image' holds images"):
        bare_project.recipe(source=source)
