"""task.json holds all that a sampler needs besides the weights."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from onepic.backbones.model import Model
from onepic.compiler.recipe import Recipe
from onepic.trainer.base import open_base
from onepic.trainer.canvases import Canvases, open_canvases
from onepic.trainer.settings import Settings
from onepic.trainer.task_card import make_task_card


@pytest.fixture(scope="module")
def base() -> Model:
    return open_base("miniature", None)


@pytest.fixture(scope="module")
def canvases(finished_project) -> Canvases:
    return open_canvases(finished_project.output)


def card(base: Model, *datasets: Canvases) -> Any:
    """As a sampler reads it."""
    made = make_task_card(datasets, base, Settings(adapter={"kind": "dora", "rank": 8}))
    return json.loads(json.dumps(made))


def named(canvases: Canvases, task: str, **changes: Any) -> Canvases:
    return replace(canvases, info=canvases.info.model_copy(update={"task": task} | changes))


def test_the_card_says_what_the_adapter_is_and_what_it_goes_on(base, canvases):
    found = card(base, canvases)
    assert found["card_version"] == 1
    assert found["base"] == {"name": "miniature", "revision": None}
    assert (found["adapter"]["kind"], found["adapter"]["rank"]) == ("dora", 8)
    assert found["prompt_dropout"] == 0.1


def test_the_canvas_can_be_built_from_the_card_with_the_compilers_own_recipe(
    base, canvases, finished_project
):
    task = card(base, canvases)["tasks"]["colorization"]
    recipe = Recipe.model_validate(task["recipe"] | {"source": {"kind": "photos"}})
    made_with = finished_project.recipe()
    assert (recipe.layout, recipe.panels, recipe.target, recipe.prompt) == (
        made_with.layout,
        made_with.panels,
        made_with.target,
        made_with.prompt,
    )
    assert (task["panel_size"], task["canvas_size"]) == ([64, 64], [128, 64])
    assert task["samples"] == 5


def test_the_card_does_not_say_where_the_pictures_were(base, canvases, finished_project):
    text = json.dumps(card(base, canvases))
    recipe = card(base, canvases)["tasks"]["colorization"]["recipe"]
    assert not {"source", "filters"} & set(recipe)
    assert str(finished_project.root) not in text


def test_every_task_is_on_the_card(base, canvases):
    found = card(base, named(canvases, "edit"), named(canvases, "try-on"))["tasks"]
    assert list(found) == ["edit", "try-on"]


def test_datasets_of_one_task_count_together(base, canvases):
    found = card(base, canvases, named(canvases, "edit"), canvases)["tasks"]
    assert {name: task["samples"] for name, task in found.items()} == {
        "colorization": 10,
        "edit": 5,
    }


def test_tasks_of_one_name_that_differ_are_both_on_the_card(base, canvases):
    tall = named(canvases, "colorization", panel_size=(32, 64))
    found = card(base, canvases, tall, tall, canvases)["tasks"]
    assert {name: task["panel_size"] for name, task in found.items()} == {
        "colorization": [64, 64],
        "colorization-2": [32, 64],
    }
    assert [task["samples"] for task in found.values()] == [10, 10]


def test_the_card_says_where_the_data_came_from(base, canvases):
    (origin,) = card(base, canvases)["datasets"]
    assert (origin["name"], origin["commit"], origin["samples"]) == ("data", None, 5)
    assert origin["fingerprint"] == canvases.info.fingerprint
