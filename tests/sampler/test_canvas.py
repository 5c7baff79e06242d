"""A sampler's canvas has the very panels, prompt and mask that the compiler would have made."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onepic.canvas.layout import Layout
from onepic.canvas.panels import PreparedRow, prepare_rows
from onepic.canvas.row import Row
from onepic.common.errors import TaskError
from onepic.compiler import open_dataset
from onepic.compiler.recipe import Recipe
from onepic.sampler import Task
from onepic.sampler.canvas import Canvas, check_inputs, make_canvas

GREY = {"from": "image", "apply": ["grayscale"]}
COLOUR = {"from": "image"}
ERASED = {"from": "image", "apply": [{"erase": {"mask": "part"}}]}
NOISY = {"from": "image", "apply": [{"noise": {"sigma": 30}}, {"jpeg": {"quality": 30}}]}
CROPPED = {"from": "image", "apply": [{"crop_to_mask": {"mask": "part"}}]}
LABELS = {"from": "image", "kind": "labels"}
PAIR = [["grey", "colour"]]

RECIPES: dict[str, dict[str, Any]] = {
    "1x2": {},
    "2x2": {"layout": [["grey", "grey"], ["grey", "colour"]]},
    "contain": {"fit": "contain", "background": "#204060"},
    "stretch": {"fit": "stretch"},
    "canny": {"panels": {"grey": {"from": "image", "apply": ["canny"]}, "colour": COLOUR}},
    "noise": {"panels": {"grey": NOISY, "colour": COLOUR}},
    "another seed": {"panels": {"grey": NOISY, "colour": COLOUR}, "seed": 7},
    "narrowed": {
        "panels": {"grey": ERASED, "colour": COLOUR},
        "target": {"panels": ["colour"], "mask": "part"},
    },
    "only the target has a mask": {"target": {"panels": ["colour"], "mask": "part"}},
    "another panel has a mask": {
        "panels": {"grey": GREY, "hole": ERASED, "colour": COLOUR},
        "layout": [["grey", "hole", "colour"]],
    },
    "only the target changes its geometry": {"panels": {"grey": GREY, "colour": CROPPED}},
    "cropped": {
        "panels": {"grey": CROPPED, "colour": CROPPED},
        "target": {"panels": ["colour"], "mask": "part"},
    },
    "two targets": {
        "panels": {"grey": GREY, "noisy": NOISY, "one": COLOUR, "two": COLOUR},
        "layout": [["grey", "one"], ["noisy", "two"]],
        "target": {"panels": ["two", "one"]},
    },
    "several columns": {
        "panels": {"grey": GREY, "other": {"from": "second"}, "colour": COLOUR},
        "layout": [["grey", "colour", "other"]],
    },
    "a range": {
        "panels": {
            "grey": {"from": "depth", "range": [500, 4500]},
            "colour": COLOUR,
        },
    },
    "the range of each file": {
        "panels": {"grey": {"from": "depth", "range": "minmax"}, "colour": COLOUR},
    },
    "labels": {"panels": {"grey": {"from": "image", "kind": "labels"}, "colour": LABELS}},
    "labels of a palette": {"panels": {"grey": {"from": "segments"}, "colour": COLOUR}},
    "a palette for a picture": {
        "panels": {"grey": {"from": "segments", "kind": "picture"}, "colour": COLOUR},
    },
    "aligned columns": {
        "panels": {"grey": GREY, "colour": {"from": "second"}},
        "align": ["image", "second"],
    },
}


def jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.fixture
def row(picture: Callable[..., Image.Image]) -> Row:
    """Large JPEGs, which are decoded at a smaller size where that is enough, and a mask."""
    mask = np.zeros((384, 512), np.uint8)
    mask[64:200, 80:300] = 255
    values = {
        "image": jpeg(picture(512, 384, seed=1)),
        "second": jpeg(picture(512, 384, seed=2)),
        "part": Image.fromarray(mask),
        "depth": Image.fromarray(mask.astype(np.uint16) * 10 + 900),
        "segments": picture(512, 384, seed=3).quantize(5),
        "caption": "a boat {at} sea",
    }
    return Row("folder/boat.jpg", values)


@pytest.fixture
def task_of(colours: Task) -> Callable[..., Task]:
    """`task_of(layout=[...])` is the task of colouring with another recipe."""

    def make(**changes: Any) -> Task:
        data = {
            "task": "colorization",
            "source": {"kind": "photos"},
            "panels": {"grey": GREY, "colour": COLOUR},
            "layout": PAIR,
            "target": "colour",
            "prompt": "colorize {caption|something}",
            **changes,
        }
        return replace(colours, recipe=Recipe.model_validate(data))

    return make


def compiled(task: Task, row: Row) -> PreparedRow:
    """The compiler's own panels."""
    (prepared,) = prepare_rows(task.recipe, task.layout(), [row])
    assert isinstance(prepared, PreparedRow)
    return prepared


def images_of(task: Task, row: Row) -> dict[str, Any]:
    """The row's image or mask for each input of the task."""
    columns = {name: panel.from_ for name, panel in task.recipe.panels.items()}
    return {name: row.values[columns.get(name, name)] for name in task.inputs}


class TestAsCompiled:
    @pytest.mark.parametrize("name", RECIPES)
    def test_panels_mask_and_prompt_are_the_compilers(self, task_of, row, name):
        task = task_of(**RECIPES[name])
        theirs = compiled(task, row)
        ours = make_canvas(
            task, images_of(task, row), {"caption": row.values["caption"]}, key=row.key
        )
        assert ours.prompt == theirs.prompt == "colorize a boat {at} sea"
        assert set(ours.panels) == set(task.inputs) & set(task.recipe.panels)
        for panel, pixels in ours.panels.items():
            np.testing.assert_array_equal(pixels, theirs.panels[panel])
        if theirs.narrowed is None:
            assert ours.narrowed is None
        else:
            np.testing.assert_array_equal(ours.narrowed, theirs.narrowed)

    def test_random_operations_draw_from_the_rows_key(self, task_of, row):
        task = task_of(panels={"grey": NOISY, "colour": COLOUR})
        images = {"grey": row.values["image"]}
        first, again, other = (
            make_canvas(task, images, {}, key=key).panels["grey"] for key in ("a", "a", "b")
        )
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


class TestImages:
    @pytest.fixture
    def forms(self, tmp_path: Path, picture: Callable[..., Image.Image]) -> Iterator[Any]:
        """The same picture as a file, its path, its bytes and decoded."""
        path = tmp_path / "a.png"
        picture(80, 72, seed=3).save(path)
        return [path, str(path), path.read_bytes(), Image.open(path), picture(80, 72, seed=3)]

    def test_a_picture_may_come_in_any_form(self, colours, forms):
        panels = [make_canvas(colours, {"grey": form}, {}).panels["grey"] for form in forms]
        for panel in panels:
            np.testing.assert_array_equal(panel, panels[0])

    @pytest.mark.parametrize("value", [None, 3, np.zeros((8, 8, 3), np.uint8)])
    def test_anything_else_is_refused(self, colours, value):
        with pytest.raises(TaskError, match=r"task colorization: .*'grey' has no image"):
            make_canvas(colours, {"grey": value}, {})

    @pytest.mark.parametrize(
        ("value", "reason"),
        [("nowhere.png", "nowhere.png cannot be read"), (b"no image", "not an image")],
    )
    def test_a_picture_that_cannot_be_read_is_told(self, colours, value, reason):
        with pytest.raises(TaskError, match=f"task colorization: .*'grey'.*{reason}"):
            make_canvas(colours, {"grey": value}, {})

    def test_transparency_shows_the_recipes_background(self, task_of):
        task = task_of(background="#ff8000")
        clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        clear.paste("red", (50, 50, 64, 64))
        panels = {"grey": COLOUR, "colour": COLOUR}
        canvas = make_canvas(task_of(background="#ff8000", panels=panels), {"grey": clear}, {})
        assert canvas.panels["grey"][0, 0].tolist() == [255, 128, 0]
        assert task.recipe.background == (255, 128, 0)


class TestPrompt:
    def test_columns_fill_the_template(self, task_of, grey):
        canvas = make_canvas(task_of(), {"grey": grey}, {"caption": "a cat"})
        assert canvas.prompt == "colorize a cat"

    def test_a_default_stands_in_for_a_column(self, task_of, grey):
        assert make_canvas(task_of(), {"grey": grey}, {}).prompt == "colorize something"

    def test_a_column_without_default_is_needed(self, task_of, grey):
        with pytest.raises(TaskError, match="caption"):
            make_canvas(task_of(prompt="colorize {caption}"), {"grey": grey}, {})

    @pytest.mark.parametrize("prompt", ["a dog", "", "a {brace} }", "{caption|x}"])
    def test_a_prompt_takes_the_place_of_the_template_letter_for_letter(
        self, task_of, grey, prompt
    ):
        task = task_of(prompt="colorize {caption}")
        assert make_canvas(task, {"grey": grey}, {}, prompt=prompt).prompt == prompt


class TestInputs:
    def test_a_missing_one_is_named_with_all_that_are_needed(self, task_of):
        task = task_of(**RECIPES["several columns"])
        with pytest.raises(TaskError, match=r"no image for other; .* inputs are grey, other"):
            check_inputs(task, {"grey": "a.png"})

    def test_an_unknown_one_gets_a_suggestion(self, colours):
        with pytest.raises(TaskError, match="'gray' takes no image; did you mean 'grey'"):
            check_inputs(colours, {"gray": "a.png"})

    def test_a_target_takes_no_image(self, colours):
        with pytest.raises(TaskError, match=r"'colour' is what the task fills.* known: grey"):
            check_inputs(colours, {"grey": "a.png", "colour": "b.png"})

    def test_a_narrowed_target_takes_one(self, task_of):
        task = task_of(target={"panels": ["colour"], "mask": "part"})
        with pytest.raises(TaskError, match="no image for colour, part"):
            check_inputs(task, {"grey": "a.png"})

    def test_a_mask_of_another_size_is_told(self, task_of, picture):
        task = task_of(target={"panels": ["colour"], "mask": "part"})
        half = Image.new("L", (32, 32))
        half.paste(255, (0, 0, 8, 8))
        images = {"grey": picture(64, 64), "colour": picture(64, 64), "part": half}
        with pytest.raises(TaskError, match="mask part is 32x32 px but its image is 64x64 px"):
            make_canvas(task, images, {})

    @pytest.mark.parametrize(
        ("part", "reason"),
        [
            (Image.new("L", (64, 64)), "mask part marks nothing; mend it"),
            (Image.new("L", (64, 64), 255), "mask part marks everything; mend it"),
            (
                Image.linear_gradient("L").resize((64, 64)),
                "mask part has .* greys .* save the mask",
            ),
        ],
    )
    def test_a_mask_that_does_not_say_what_is_filled_is_told(self, task_of, picture, part, reason):
        task = task_of(target={"panels": ["colour"], "mask": "part"})
        images = {"grey": picture(64, 64), "colour": picture(64, 64), "part": part}
        with pytest.raises(TaskError, match=f"task colorization: {reason}"):
            make_canvas(task, images, {})


class TestMask:
    def make(self, task: Task, images: Mapping[str, Any]) -> Canvas:
        return make_canvas(task, images, {})

    def test_it_is_one_where_the_target_lies(self, colours, grey):
        mask = self.make(colours, {"grey": grey}).mask
        assert mask.shape == (1, 8, 16)
        assert not mask[..., :8].any()
        assert mask[..., 8:].all()

    def test_cells_that_a_narrowed_target_touches_are_filled(self, task_of, picture):
        part = np.zeros((64, 64), np.uint8)
        part[9:17, 8:16] = 255
        task = task_of(target={"panels": ["colour"], "mask": "part"})
        images = {
            "grey": picture(64, 64),
            "colour": picture(64, 64),
            "part": Image.fromarray(part),
        }
        expected: NDArray[np.uint8] = np.zeros((1, 8, 16), np.uint8)
        expected[0, 1:3, 9] = 1
        np.testing.assert_array_equal(self.make(task, images).mask, expected)

    @pytest.mark.parametrize(
        ("masks", "values"),
        [
            ({}, (0, 1)),
            ({}, (0, 255)),
            ({"part": {"read": {"labels": [7]}}}, (3, 7)),
            ({"part": {"read": {"invert": True}}}, (255, 0)),
            ({"part": "box"}, (0, 1)),
        ],
    )
    def test_the_users_mask_is_read_as_the_recipe_reads_those_of_training(
        self, task_of, picture, masks, values
    ):
        task = task_of(target={"panels": ["colour"], "mask": "part"}, masks=masks)
        part = Image.new("L", (64, 64), values[0])
        part.paste(values[1], (8, 9, 16, 17))
        images = {"grey": picture(64, 64), "colour": picture(64, 64), "part": part}
        canvas = self.make(task, images)
        assert canvas.narrowed is not None
        assert canvas.narrowed.sum() == 64
        assert canvas.narrowed[9:17, 8:16].all()

    def test_the_boxes_of_several_targets_are_in_the_recipes_order(self, task_of, picture):
        task = task_of(**RECIPES["two targets"])
        canvas = self.make(task, {"grey": picture(), "noisy": picture()})
        places = [(name, box.as_list()) for name, box in canvas.target_boxes()]
        assert places == [("two", [64, 64, 64, 64]), ("one", [64, 0, 64, 64])]
        assert canvas.mask[..., 8:].all()
        assert not canvas.mask[..., :8].any()

    def test_another_panel_size_makes_another_canvas(self, colours, grey):
        canvas = make_canvas(colours, {"grey": grey}, {}, panel_size=(32, 48))
        assert canvas.panels["grey"].shape == (48, 32, 3)
        assert canvas.mask.shape == (1, 6, 8)

    def test_a_panel_size_that_the_vae_cannot_encode_is_refused(self, colours, grey):
        with pytest.raises(TaskError, match="nearest that is: 32 x 48"):
            make_canvas(colours, {"grey": grey}, {}, panel_size=(33, 48))


def test_a_sampled_latent_gets_the_noise_of_training(bare_project, pipe) -> None:
    bare_project.draw(0)
    bare_project.compile(latent="sample")
    dataset = open_dataset(bare_project.output)
    recipe = bare_project.recipe(latent="sample")
    layout = Layout(recipe.layout, 64, 64, 8)
    row = Row("000.png", {"image": str(bare_project.root / "pictures/000.png")})
    (prepared,) = prepare_rows(recipe, layout, [row])
    panels = {"grey": prepared.panels["grey"]}
    canvas = Canvas(layout, ("colour",), panels, None, "", seed=recipe.seed)
    stored = dataset[0].latents.astype(np.float32)
    np.testing.assert_allclose(
        pipe.encode_context(canvas)[0, :, :, :8].numpy(), stored[:, :, :8], rtol=2**-9, atol=1e-3
    )
