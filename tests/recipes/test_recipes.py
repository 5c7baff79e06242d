"""Every recipe does what its comment says, on data in the real layout, up to new pictures."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from typer.testing import CliRunner

from onepic import recipes
from onepic.canvas.layout import target_mask
from onepic.common.yaml_file import Override
from onepic.compiler import open_dataset, read_recipe
from onepic.compiler.cli import app
from onepic.compiler.recipe_file import RECIPE
from onepic.compiler.sources import infer_source
from onepic.sampler import OnePicPipeline
from onepic.sampler.canvas import Canvas, make_canvas
from onepic.sampler.task import Task

FOLDER = Path(recipes.__file__).parent
SHIPPED = sorted(FOLDER.glob("*.yaml"))
#: what stands for a model that has to be downloaded
DOWNLOADS = re.compile(r"weights: |depth-anything/")
#: options of the comments that would download a model, or take long
LEFT_OUT = ("--model", "--panel-size")
WANTED = {
    "canny": "2x2", "depth": "2x2", "hed": "2x2", "lineart": "2x2", "pose": "2x2",
    "normal": "2x2", "segments": "2x2", "image-to-depth": "1x2", "image-to-segments": "1x2",
    "image-to-normals": "1x2", "colorization": "1x2", "super-resolution": "1x2",
    "deblurring": "1x2", "restoration": "1x2", "inpainting": "1x2", "outpainting": "1x2",
    "editing": "2x2", "masked-editing": "2x2", "local-editing": "1x2", "repainting": "1x2",
    "pasting": "1x3", "subject": "2x2", "portrait": "2x2", "style-transfer": "1x3",
    "try-on": "1x3", "try-on-outfit": "2x2", "fashion-extraction": "1x2", "story": "2x2",
    "views": "2x2",
}  # fmt: skip


def commands(path: Path) -> list[list[str]]:
    """The arguments of every command in a recipe's comment, without what `LEFT_OUT` says."""
    lines = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    found = [line for line in whole.splitlines() if line.startswith("onepic-compile ")]
    said = " ".join(lines)
    found += [
        f"onepic-compile recipes/{path.name} --source {place}"
        for place in re.findall(r"give --source (\S+) instead", said)
    ]
    return [_without(shlex.split(line)[1:]) for line in found]


def _without(arguments: list[str]) -> list[str]:
    kept = list(arguments)
    for option in LEFT_OUT:
        if option in kept:
            del kept[kept.index(option) : kept.index(option) + 2]
    return kept


COMMANDS = [
    pytest.param(arguments, id=f"{path.stem}-{number}")
    for path in SHIPPED
    for number, arguments in enumerate(commands(path), 1)
]
RUNNING = [param for param in COMMANDS if not DOWNLOADS.search(" ".join(param.values[0]))]
DOWNLOADING = [param for param in COMMANDS if param not in RUNNING]


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(FOLDER.parent)


def test_there_is_a_recipe_for_each_task() -> None:
    layouts = {path.stem: read_recipe(path).layout for path in SHIPPED}
    assert {name: f"{len(rows)}x{len(rows[0])}" for name, rows in layouts.items()} == WANTED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_comment_has_a_command_that_runs_on_data_of_ones_own(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=recipe.schema.json"
    assert read_recipe(path).task == path.stem
    assert any(not DOWNLOADS.search(" ".join(arguments)) for arguments in commands(path))


@pytest.mark.parametrize("name", ["canny", "depth", "hed", "lineart", "pose", "normal", "segments"])
def test_controls_are_shown_three_times_with_the_target_bottom_right(name: str) -> None:
    recipe = read_recipe(FOLDER / f"{name}.yaml")
    (first, second), (third, last) = recipe.layout
    assert first == second == third
    assert recipe.target.panels == (last,)


@pytest.mark.parametrize("name", ["try-on", "style-transfer", "pasting"])
def test_between_two_conditions_the_target_is_in_the_centre(name: str) -> None:
    recipe = read_recipe(FOLDER / f"{name}.yaml")
    assert recipe.target.panels == (recipe.layout[0][1],)


@pytest.mark.parametrize("name", ["try-on", "try-on-outfit", "fashion-extraction"])
def test_persons_have_upright_panels(name: str) -> None:
    size: Any = read_recipe(FOLDER / f"{name}.yaml").panel_size
    assert (size.width, size.height) == (384, 512)


@pytest.mark.parametrize("arguments", RUNNING)
def test_the_command_of_a_comment_makes_data_that_trains_a_task_that_can_be_sampled(
    arguments: list[str],
    tmp_path: Path,
    train_adapter: Callable[..., Path],
    pipe: OnePicPipeline,
    picture: Callable[..., Image.Image],
) -> None:
    data = tmp_path / "data"
    options = ["--local", "--panel-size", "32x40", "--output", str(data)]
    result = CliRunner().invoke(app, [*arguments, *options])
    assert result.exit_code == 0, result.output
    samples = open_dataset(data)
    assert len(samples) >= 2
    assert not samples.info.totals.rejected
    run = train_adapter(data)
    weights = load_file(run / "pytorch_lora_weights.safetensors")
    trained = [np.abs(weight).max() for name, weight in weights.items() if "lora_B" in name]
    assert min(trained) > 0
    pipe.load_task(run)
    assert pipe.task is not None
    _check_sampling(pipe, _new_canvas(pipe.task, picture), read_recipe(Path(arguments[0])).layout)


def _new_canvas(task: Task, picture: Callable[..., Image.Image]) -> Canvas:
    """A canvas of pictures that the task was not trained on."""
    inputs = task.inputs or task.targets[:2]  # of a story, any
    images = {name: picture(32, 40, seed=90 + n) for n, name in enumerate(inputs)}
    for mask in {column for name in task.recipe.panels for column in task.recipe.masks_of(name)}:
        images[mask] = Image.new("L", (32, 40))
        images[mask].paste(255, (8, 8, 24, 32))
    values = {field.column: "a red ball" for field in task.recipe.template.fields}
    return make_canvas(task, images, values)


def _check_sampling(pipe: OnePicPipeline, canvas: Canvas, rows: Any) -> None:
    """The targets are filled, and all else comes back as it was."""
    assert canvas.layout.rows == rows
    assert not set(canvas.targets) & (set(canvas.panels) if canvas.narrowed is None else set())
    generator = torch.Generator().manual_seed(0)
    options = {"num_inference_steps": 2, "guidance_scale": 1.0, "generator": generator}
    (latents,) = pipe(canvas, output_type="latent", return_dict=False, **options)
    is_target = torch.from_numpy(canvas.mask[0] == 1)
    context = pipe.encode_context(canvas)
    assert torch.equal(latents[..., ~is_target], context[..., ~is_target])
    assert torch.isfinite(latents).all()
    assert latents[0][:, is_target].std() > 0.1
    expected = target_mask(canvas.layout, canvas.targets, canvas.narrowed)
    assert np.array_equal(is_target.numpy(), expected[0] == 1)
    (filled,) = pipe(canvas, output_type="canvas", return_dict=False, **options)
    pixels = np.asarray(filled[0])
    assert pixels.shape[:2] == (40 * len(rows), 32 * len(rows[0]))
    for name, box in canvas.layout.cells():
        shown = pixels[box.slices]
        if name not in canvas.targets:
            assert np.array_equal(shown, canvas.panels[name])
        elif canvas.narrowed is None:
            assert shown.std() > 1
        else:
            kept = canvas.panels[name]
            assert np.array_equal(shown[~canvas.narrowed], kept[~canvas.narrowed])
            assert not np.array_equal(shown[canvas.narrowed], kept[canvas.narrowed])


@pytest.mark.parametrize("arguments", DOWNLOADING)
def test_a_command_with_a_model_of_its_own_is_a_valid_recipe_of_the_data(
    arguments: list[str],
) -> None:
    path, *options = arguments
    given = dict.fromkeys(options[::2])
    assert set(given) == {"--source", "--set"}
    pairs = list(zip(options[::2], options[1::2], strict=True))
    overrides = [
        Override(("source",), infer_source(value), "--source")
        if name == "--source"
        else Override.parse(value, RECIPE)
        for name, value in pairs
    ]
    recipe = read_recipe(Path(path), overrides)
    assert len(recipe.source.scan(recipe.columns, FOLDER)) == 4
    (model,) = {m for p in recipe.panels.values() for op in p.apply for m in op.model_references()}
    assert re.fullmatch(r"[\w-]+/[\w.-]+", model)
