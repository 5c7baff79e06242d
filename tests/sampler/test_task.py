"""A task card says what images are needed; what is wrong with one is told, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from onepic.canvas.layout import Layout
from onepic.common.errors import TaskError
from onepic.sampler import Task, open_task
from onepic.sampler.canvas import make_canvas

WriteCard = Callable[..., Path]
ChangeCard = Callable[..., Path]


@pytest.fixture
def change_card(compiled_colours: Path, write_card: WriteCard) -> ChangeCard:
    """`change_card(card_version=2)` is a folder whose card has other values; None takes one out."""

    def change(**changes: Any) -> Path:
        folder = write_card(compiled_colours)
        card = json.loads((folder / "task.json").read_text()) | changes
        kept = {key: value for key, value in card.items() if value is not None}
        (folder / "task.json").write_text(json.dumps(kept))
        return folder

    return change


@pytest.fixture
def task_of(change_card: ChangeCard) -> Callable[..., Task]:
    """`task_of(layout=[...], target=...)` is the task of a recipe with these keys."""

    def make(**changes: Any) -> Task:
        folder = change_card()
        card = json.loads((folder / "task.json").read_text())
        card["tasks"]["colorization"]["recipe"] |= changes
        (folder / "task.json").write_text(json.dumps(card))
        return open_task(folder)

    return make


class TestReading:
    def test_a_card_tells_all_that_sampling_needs(self, colours):
        assert (colours.name, colours.kind) == ("colorization", "lora")
        assert colours.size == (64, 64)
        assert (colours.factor, colours.channels) == (8, 4)
        assert (colours.base, colours.revision) == ("miniature", None)
        assert colours.targets == ("colour",)
        assert colours.inputs == ("grey",)
        assert colours.recipe.prompt == "colorize"

    @pytest.mark.parametrize("dropout", [0.0, 0.1])
    def test_the_shares_of_dropout_say_what_the_adapter_knows(
        self, compiled_colours, write_card, dropout
    ):
        task = open_task(
            write_card(compiled_colours, prompt_dropout=dropout, context_dropout=dropout)
        )
        assert (task.knows_no_prompt, task.knows_no_context) == (dropout > 0,) * 2

    def test_a_card_of_before_context_dropout_knows_none(self, change_card):
        assert not open_task(change_card(context_dropout=None)).knows_no_context

    def test_a_folder_may_be_a_string(self, compiled_colours, write_card):
        folder = write_card(compiled_colours)
        assert open_task(str(folder)) == open_task(folder)


class TestInputs:
    def test_they_are_in_reading_order_and_each_once(self, task_of):
        task = task_of(
            panels={name: {"from": "image"} for name in ("z", "made", "a")},
            layout=[["z", "z"], ["a", "made"]],
            target={"panels": ["made"]},
        )
        assert task.inputs == ("z", "a")

    def test_several_targets_need_no_image(self, task_of):
        task = task_of(
            panels={name: {"from": "image"} for name in ("one", "two", "three", "four")},
            layout=[["one", "two"], ["three", "four"]],
            target={"panels": ["four", "two"]},
        )
        assert task.inputs == ("one", "three")
        assert task.targets == ("four", "two")

    def test_masks_of_conditions_are_inputs_and_those_of_targets_are_not(self, task_of):
        task = task_of(
            panels={
                "hole": {"from": "image", "apply": [{"erase": {"mask": "hidden"}}]},
                "made": {"from": "image", "apply": [{"erase": {"mask": "other"}}]},
            },
            layout=[["hole", "made"]],
            target={"panels": ["made"]},
        )
        assert task.inputs == ("hole", "hidden")

    def test_a_narrowed_target_is_an_input_with_its_mask(self, task_of):
        task = task_of(target={"panels": ["colour"], "mask": "part"})
        assert task.inputs == ("grey", "colour", "part")


class TestLayout:
    def test_panels_have_the_size_of_training(self, colours):
        assert colours.layout() == Layout((("grey", "colour"),), 64, 64, 8)

    def test_panels_may_have_another_size(self, colours):
        assert colours.layout((96, 128)).canvas_size == (192, 128)

    @pytest.mark.parametrize("size", [(60, 64), (64, 60)])
    def test_a_size_that_the_vae_cannot_encode_is_refused(self, colours, size):
        with pytest.raises(TaskError, match=r"task colorization: .* is not a multiple .* nearest"):
            colours.layout(size)

    @pytest.mark.parametrize("size", [(0, 64), (64, -64), (4, 4)])
    def test_a_size_of_less_than_a_cell_is_refused(self, colours, size):
        with pytest.raises(TaskError, match=r"task colorization: .* is too small; the least is 8"):
            colours.layout(size)


class TestSeveralTasks:
    @pytest.fixture
    def two(self, change_card: ChangeCard) -> Path:
        folder = change_card()
        card = json.loads((folder / "task.json").read_text())
        card["tasks"]["restoration"] = card["tasks"]["colorization"]
        (folder / "task.json").write_text(json.dumps(card))
        return folder

    def test_one_must_be_named(self, two):
        with pytest.raises(TaskError, match="several tasks; give one: colorization, restoration"):
            open_task(two)

    def test_a_named_one_is_opened(self, two):
        assert open_task(two, "restoration").name == "restoration"

    def test_an_unknown_name_gets_a_suggestion(self, two):
        with pytest.raises(TaskError, match="no task 'colourization'; did you mean 'colorization'"):
            open_task(two, "colourization")


class TestWrongCards:
    def test_a_newer_version_asks_for_an_upgrade_whatever_else_is_in_it(self, change_card):
        with pytest.raises(TaskError, match=r"card version 2 is newer .* \(1\); upgrade onepic"):
            open_task(change_card(card_version=2, base=None, tasks=None))

    @pytest.mark.parametrize(
        "text", ["", "{", "\0\1", '{"card_version": 1', "[]", "3", "{}", '{"card_version": "1"}']
    )
    def test_a_damaged_card_is_told(self, change_card, text):
        folder = change_card()
        (folder / "task.json").write_text(text)
        with pytest.raises(TaskError, match=r"task\.json: "):
            open_task(folder)

    def test_a_card_that_is_no_text_is_told(self, change_card):
        folder = change_card()
        (folder / "task.json").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(TaskError, match="cannot be read as JSON"):
            open_task(folder)

    @pytest.mark.parametrize("key", ["base", "adapter", "tasks"])
    def test_a_card_without_a_part_is_told(self, change_card, key):
        with pytest.raises(TaskError, match=r"task\.json: the card .*; copy it again"):
            open_task(change_card(**{key: None}))

    @pytest.mark.parametrize(
        "tasks",
        [{}, [], {"a": {}}, {"a": []}, {"a": {"recipe": {}}}],
        ids=["none", "list", "empty", "listed", "recipe"],
    )
    def test_tasks_that_say_nothing_are_told(self, change_card, tasks):
        with pytest.raises(TaskError, match=r"task\.json: "):
            open_task(change_card(tasks=tasks))

    @pytest.mark.parametrize("key", ["recipe", "panel_size", "canvas_size", "latents"])
    def test_a_task_without_a_part_is_told(self, change_card, key):
        folder = change_card()
        card = json.loads((folder / "task.json").read_text())
        del card["tasks"]["colorization"][key]
        (folder / "task.json").write_text(json.dumps(card))
        with pytest.raises(TaskError, match=f"the card is incomplete: .*{key}"):
            open_task(folder)

    def test_an_operation_that_is_not_known_here_is_told(self, task_of):
        with pytest.raises(TaskError, match=r"(?s)recipe of colorization .*sharpen_more"):
            task_of(panels={"grey": {"from": "image", "apply": ["sharpen_more"]}, "colour": {}})

    def test_a_folder_without_a_card_is_told(self, tmp_path):
        with pytest.raises(TaskError, match=r"no task\.json there; .* onepic-train left"):
            open_task(tmp_path)

    @pytest.mark.parametrize("place", ["runs", "./runs/nothing", "/nowhere/at", "~/nowhere/at/all"])
    def test_a_missing_folder_is_told_without_asking_the_hub(self, place, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(TaskError, match="no such folder"):
            open_task(place)

    def test_a_repository_that_is_not_found_is_told(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(TaskError, match="nobody/nothing: neither a folder here nor found on"):
            open_task("nobody/nothing")


class TestArranging:
    def test_a_grid_may_repeat_a_condition(self, colours) -> None:
        task = colours.arranged([["grey", "grey"], ["grey", "colour"]])
        assert task.layout().canvas_size == (128, 128)
        assert task.inputs == ("grey",)
        assert task.targets == ("colour",)

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([["grey", "color"]], "no panel 'color'; did you mean 'colour'"),
            ([["grey", "colour"], ["grey"]], "row 2 has 1 panels and row 1 has 2"),
            ([["grey", "grey"]], "nothing to fill; show colour"),
            ([["colour", "colour"]], "the layout must show a target exactly once"),
            ([["colour"]], "every panel is a target"),
        ],
    )
    def test_a_grid_that_no_recipe_could_have_is_refused(self, colours, rows, message) -> None:
        with pytest.raises(TaskError, match=message):
            colours.arranged(rows)


class TestDrawnTargets:
    """A story: any of its panels may have been the target."""

    @pytest.fixture
    def story(self, task_of) -> Task:
        panels = {name: {"from": "image"} for name in ("one", "two", "three")}
        target = {"panels": list(panels), "choose": [1, 2]}
        return task_of(panels=panels, layout=[list(panels)], target=target)

    def test_what_is_given_is_context_and_the_rest_is_filled(self, story):
        task = story.filling({"one": "one.png"})
        assert task.inputs == ("one",)
        assert task.targets == ("two", "three")

    @pytest.mark.parametrize("given", [(), ("one", "two", "three")])
    def test_something_must_be_given_and_something_left_out(self, story, given):
        with pytest.raises(TaskError, match="give images of some of one, two, three"):
            story.filling(given)

    def test_a_canvas_is_made_of_what_is_given(self, story):
        canvas = make_canvas(story, {"two": Image.new("RGB", (64, 64))}, {})
        assert canvas.targets == ("one", "three")
        assert list(canvas.panels) == ["two"]
        assert canvas.mask[0, 0].tolist() == [1] * 8 + [0] * 8 + [1] * 8

    def test_a_task_of_fixed_targets_stays_as_it_is(self, colours):
        assert colours.filling({"grey": "grey.png"}) is colours
