"""What a mask hides of the target is nowhere in the context, neither in training nor in use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onepic import recipes
from onepic.backbones.model import open_model
from onepic.canvas.panels import PreparedRow, prepare_rows
from onepic.compiler import Recipe, Scheduling, compile_dataset, open_dataset, read_recipe
from onepic.compiler.compile import make_layout
from onepic.dataset.dataset import DatasetSample
from onepic.sampler import OnePicPipeline, open_task
from onepic.sampler.canvas import make_canvas
from onepic.trainer.base import open_base
from onepic.trainer.canvases import open_canvases
from onepic.trainer.settings import Settings
from onepic.trainer.task_card import TASK_CARD, make_task_card

SIZE = (64, 64)
SHIPPED = sorted(Path(recipes.__file__).parent.glob("*.yaml"))
NARROWED = [path for path in SHIPPED if read_recipe(path).target.mask is not None]


def of_folder(path: Path, folder: Path) -> Recipe:
    """A shipped recipe for the pictures in `folder`, which are as large as its panels."""
    width, height = SIZE
    changes = {
        "source": {"kind": "folder", "path": str(folder)},
        "panel_size": {"width": width, "height": height},
    }
    data = read_recipe(path).model_dump(by_alias=True) | changes
    return Recipe.model_validate(data)


def first_row(recipe: Recipe) -> Mapping[str, Any]:
    """The images and texts of the first row of the source that a recipe comes with."""
    rows = recipe.source.scan(recipe.columns, Path()).slice(0, 1)
    (row,) = recipe.source.read(rows, recipe.columns)
    return row.values


def write_row(folder: Path, values: Mapping[str, Any]) -> None:
    """A row as aligned sub-folders, its images as large as the panels."""
    for column, value in values.items():
        (folder / column).mkdir(parents=True)
        if isinstance(value, Image.Image):
            value.resize(SIZE, Image.Resampling.NEAREST).save(folder / column / "row.png")
        else:
            (folder / column / "row.txt").write_text(str(value))


def prepared(recipe: Recipe) -> PreparedRow:
    rows = recipe.source.scan(recipe.columns, Path())
    layout = make_layout(recipe, open_model("miniature"))
    (row,) = prepare_rows(recipe, layout, list(recipe.source.read(rows, recipe.columns)))
    assert isinstance(row, PreparedRow)
    return row


def change_hidden(recipe: Recipe, folder: Path, hidden: NDArray[np.bool_]) -> None:
    """Other pixels under the mask of the picture that the target shows, and nowhere else."""
    column = recipe.panels[recipe.target.panels[0]].from_
    path = folder / column / "row.png"
    pixels = np.array(Image.open(path).convert("RGB"))
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    Image.fromarray(np.where(hidden[..., None], noise, pixels)).save(path)


def compiled(recipe: Recipe, output: Path) -> DatasetSample:
    compile_dataset(recipe, output, scheduling=Scheduling(local=True))
    return open_dataset(output)[0]


def context_of(sample: DatasetSample, latents: NDArray[Any] | None = None) -> NDArray[Any]:
    """The latents outside of the mask, [C, N]."""
    return (sample.latents if latents is None else latents)[:, sample.mask[0] == 0]


def sampled_context(
    pipe: OnePicPipeline, data: Path, folder: Path, hidden: NDArray[np.bool_]
) -> NDArray[np.float16]:
    """The canvas [C, H, W] that the sampler makes of the pictures of a row."""
    card = make_task_card([open_canvases(data)], open_base("miniature", None), Settings())
    (data / TASK_CARD).write_text(json.dumps(card))
    task = open_task(data)
    images: dict[str, Any] = {
        name: folder / panel.from_ / "row.png" for name, panel in task.recipe.panels.items()
    }
    images |= {mask: Image.fromarray(hidden) for mask in task.inputs if mask not in images}
    values = {field.column: "text" for field in task.recipe.template.fields}
    canvas = make_canvas(task, images, values, key="row.png")
    return pipe.encode_context(canvas)[0].numpy().astype(np.float16)


def test_recipes_with_a_mask_in_the_target_are_known() -> None:
    assert {path.stem for path in NARROWED} == {
        *("inpainting", "outpainting", "repainting", "pasting"),
        *("local-editing", "masked-editing"),
    }


@pytest.mark.parametrize("path", NARROWED, ids=lambda path: path.stem)
def test_rows_that_differ_only_under_the_mask_have_the_same_context(
    path: Path, tmp_path: Path, pipe: OnePicPipeline
) -> None:
    folder = tmp_path / "pictures"
    write_row(folder, first_row(read_recipe(path)))
    recipe = of_folder(path, folder)
    hidden = prepared(recipe).narrowed
    assert hidden is not None
    assert 0 < hidden.mean() < 1
    one = compiled(recipe, tmp_path / "one")
    ours = sampled_context(pipe, tmp_path / "one", folder, hidden)
    change_hidden(recipe, folder, hidden)
    other = compiled(recipe, tmp_path / "other")
    theirs = sampled_context(pipe, tmp_path / "other", folder, hidden)

    assert np.array_equal(one.mask, other.mask)
    assert context_of(one).tobytes() == context_of(other).tobytes()
    assert context_of(one, ours).tobytes() == context_of(one, theirs).tobytes()
    is_target = one.mask[0] == 1
    assert (one.latents != other.latents)[:, is_target].any(axis=0).all()
    # But for the last bits, which on a CPU depend on the batch that a panel is encoded in.
    np.testing.assert_allclose(
        context_of(one, ours).astype(np.float32), context_of(one), rtol=2**-9, atol=1e-5
    )
