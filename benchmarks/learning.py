"""What an adapter learns on the miniature, on scenes that nothing was trained on.

    python benchmarks/learning.py --output build/learning
    python benchmarks/learning.py tasks --steps 100 --train 200 --test 16

`tasks` trains an adapter for colorization, canny to image, editing and try-on, and measures the
base model without it, the adapter with the right context, and with another sample's context: the
masked loss, and the quality of filled targets. `layouts` compares 2 x 2 with 1 x 2 for canny, as
the paper does, and the places of the target in try-on. The tables are written to the output folder
as Markdown, with pictures of some canvases. What exists is kept: the same command goes on where it
was stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import quality
import torch
from numpy.typing import NDArray
from PIL import Image
from quality import Pixels
from torch import Tensor

from onepic.backbones.model import Model, load_vae
from onepic.canvas.layout import Box
from onepic.canvas.panels import PreparedRow, prepare_rows
from onepic.canvas.row import Columns
from onepic.common.yaml_file import Override
from onepic.compiler import Scheduling, compile_dataset, read_recipe
from onepic.compiler.recipe import Recipe
from onepic.compiler.recipe_file import RECIPE
from onepic.sampler.cached import decode_canvases, fill_batch, load_scheduler
from onepic.trainer import CanvasLoader, Settings, open_canvases, train
from onepic.trainer.base import open_base
from onepic.trainer.canvases import Canvases
from onepic.trainer.export import load_trained
from onepic.trainer.loader import Batch
from onepic.trainer.settings import read_settings
from onepic.trainer.step import Objective, noise_at
from onepic.trainer.validation import in_context_of

RECIPES = Path(__file__).parent.parent / "recipes"
#: px of a panel, and the seeds of the scenes to train on and to measure with
SIDE, TRAIN_SEED, TEST_SEED = 128, 11, 12
SAMPLING_STEPS = 20
NOISE_SEED = 1
BATCH = 16
SHOWN = 6  # canvases in a picture
#: the demo's: on attention, feed-forward and convolutions, as the miniature's layers are narrow
ADAPTER = read_settings(Path(__file__).parent.parent / "miniature" / "demo.yaml").adapter


@dataclass(frozen=True)
class Filled:
    """A target as it was filled, as it should be, the context that lies first, and what counts.

    `region`, bool [SIDE, SIDE], is the part of the target that the task is about.
    """

    made: Pixels
    truth: Pixels
    context: Pixels
    region: NDArray[np.bool_]


MEASURES: dict[str, Callable[[Filled], float]] = {
    "PSNR, dB": lambda it: quality.psnr(it.made, it.truth),
    "SSIM": lambda it: quality.ssim(it.made, it.truth),
    "colour error": lambda it: quality.colour_error(it.made, it.truth),
    "colour error there": lambda it: quality.colour_error(it.made, it.truth, it.region),
    "edge agreement": lambda it: quality.edge_agreement(it.made, it.truth),
    "edit done": lambda it: quality.edit_done(it.made, it.truth, it.context),
}


@dataclass(frozen=True)
class Task:
    """A recipe, what is changed of it, what tells whether it was learned, and where to look.

    `region` is the scenes' mask of what the task is about. `longer` is how many times the usual
    number of steps it is trained.
    """

    name: str
    recipe: str
    measures: tuple[str, ...]
    region: str = "mask"
    overrides: tuple[str, ...] = ()
    longer: int = 1


EVERYWHERE = ("PSNR, dB", "SSIM", "colour error", "colour error there")
TASKS = (
    Task("colorization", "colorization", EVERYWHERE),
    Task("canny", "canny", ("SSIM", "edge agreement", "colour error there"), longer=4),
    Task("editing", "editing", (*EVERYWHERE, "edit done"), "edit_mask", longer=4),
    Task("try-on", "try-on", EVERYWHERE, "garment_mask"),
)
LAYOUTS = (
    TASKS[1],
    replace(TASKS[1], name="canny-1x2", overrides=("layout=[[edges, picture]]",)),
    TASKS[3],
    replace(TASKS[3], name="try-on-edge", overrides=("layout=[[garment, hidden, result]]",)),
)


@dataclass(frozen=True)
class Plan:
    """How much is drawn, and how long is trained."""

    output: Path
    model: str
    train: int
    test: int
    settings: Settings


def compile_scenes(task: Task, plan: Plan, seed: int, count: int) -> Path:
    """The dataset of a task, on scenes of one seed."""
    texts = (
        f"source={{kind: scenes, count: {count}, seed: {seed}, size: {SIDE}}}",
        f"panel_size={{width: {SIDE}, height: {SIDE}}}",
        f"model={plan.model}",
        *task.overrides,
    )
    overrides = [Override.parse(text, RECIPE) for text in texts]
    recipe = read_recipe(RECIPES / f"{task.recipe}.yaml", overrides)
    folder = plan.output / f"{task.name}-{seed}-{count}"
    compile_dataset(recipe, folder, recipe_folder=RECIPES, scheduling=Scheduling(local=True))
    return folder


def train_task(task: Task, plan: Plan) -> tuple[Path, int]:
    """The folder of a trained adapter, and its steps."""
    steps = plan.settings.steps * task.longer
    run = plan.output / f"{task.name}-run-{steps}"
    data = compile_scenes(task, plan, TRAIN_SEED, plan.train)
    train([data], run, plan.settings.model_copy(update={"steps": steps}), resume=True)
    return run, steps


@dataclass(frozen=True)
class Test:
    """Held-out canvases, and a network to measure on them."""

    canvases: Canvases
    base: Model
    unet: Any

    @classmethod
    def of(cls, folder: Path, adapter: Path | None) -> Test:
        """A dataset with the base model's U-Net, and an adapter if there is one."""
        canvases = open_canvases(folder)
        base = open_base(canvases.info.model.name, canvases.info.model.revision)
        unet = base.load(base.backbone.network, torch.float32)
        if adapter is not None:
            load_trained(unet, adapter, base.backbone.network.folder)
        return cls(canvases, base, unet.eval())

    def batches(self, is_right: bool) -> Iterator[Batch]:
        """All canvases; or each with the context of the one before it in its batch."""
        everything = [np.arange(len(self.canvases))]
        for batch in CanvasLoader([self.canvases], BATCH, parts=everything, once=True):
            other = replace(batch, latents=batch.latents.roll(1, 0))
            yield batch if is_right else in_context_of(batch, other)

    @torch.no_grad()
    def loss(self, is_right: bool) -> float:
        """The mean masked error, over timesteps that cover the schedule evenly."""
        objective = Objective.of(self.base)
        errors = []
        for batch in self.batches(is_right):
            numbers = [int(n) for n in batch.samples]
            t = objective.process.spread(numbers, len(self.canvases))
            eps = noise_at(numbers, batch.latents.shape[1:], NOISE_SEED)
            errors.append(objective.errors(self.unet, batch, eps, t))
        return float(torch.cat(errors).mean())

    def fill(self, is_right: bool) -> list[Pixels]:
        """All canvases with their targets filled."""
        vae = load_vae(self.base.name, self.base.revision)
        scheduler = load_scheduler(self.base.folder / "scheduler")

        objective = Objective.of(self.base)

        def network(seen: Tensor, t: Tensor, batch: Batch) -> Tensor:
            return objective.predict(self.unet, seen, t, batch)

        filled: list[Pixels] = []
        for batch in self.batches(is_right):
            latents = fill_batch(
                network, batch, scheduler, self.base.backbone.sampling, SAMPLING_STEPS
            )
            layout = self.canvases.info.layout
            filled.extend(decode_canvases(vae, latents, layout, self.base.latents))
        return filled


@cache
def truths(folder: Path) -> list[dict[str, Pixels]]:
    """The panels of a dataset's rows, as they were before they were encoded."""
    info = open_canvases(folder).info
    recipe = Recipe.model_validate(info.recipe)
    layout = info.layout
    rows = recipe.source.scan(recipe.columns, Path())
    prepared = prepare_rows(recipe, layout, list(recipe.source.read(rows, recipe.columns)))
    return [dict(row.panels) for row in prepared if isinstance(row, PreparedRow)]


@cache
def regions(folder: Path, column: str) -> list[NDArray[np.bool_]]:
    """Where a mask of the scenes is white, bool [SIDE, SIDE] for each of a dataset's rows."""
    source = Recipe.model_validate(open_canvases(folder).info.recipe).source
    columns = Columns((column,))
    rows = source.read(source.scan(columns, Path()), columns)
    return [np.asarray(row.values[column])[..., 0] > 127 for row in rows]


def measure(
    task: Task, folder: Path, adapter: Path | None, is_right: bool, steps: int
) -> dict[str, float]:
    """The loss and the quality of one network with one kind of context; kept once it is known."""
    name = "base" if adapter is None else f"adapter-{'right' if is_right else 'wrong'}"
    file = folder.parent / f"{folder.name}-{name}-{steps}.json"
    if not file.exists():
        test = Test.of(folder, adapter)
        loss, made = test.loss(is_right), test.fill(is_right)
        found = {"loss": loss} | quality_of(task, folder, made)
        _write_pictures(file.with_suffix(".png"), made, folder)
        file.write_text(json.dumps(found))
    known: dict[str, float] = json.loads(file.read_text())
    return known


def quality_of(task: Task, folder: Path, made: list[Pixels]) -> dict[str, float]:
    """What the task's measures say of filled canvases."""
    box, target, first = places(folder)
    parts = zip(made, truths(folder), regions(folder, task.region), strict=True)
    targets = [
        Filled(canvas[box.slices], row[target], row[first], where) for canvas, row, where in parts
    ]
    return {
        name: float(np.nanmean([MEASURES[name](target) for target in targets]))
        for name in task.measures
    }


def places(folder: Path) -> tuple[Box, str, str]:
    """Where the target lies, px, its name, and that of the panel that comes first."""
    info = open_canvases(folder).info
    layout, target = info.layout, info.canvas.target.panels[0]
    return layout.boxes(target)[0], target, layout.panels[0]


def _write_pictures(file: Path, made: list[Pixels], folder: Path) -> None:
    """Some canvases as they were filled, each with its target as it should be on the right."""
    box, target, _ = places(folder)
    rows = []
    for canvas, row in list(zip(made, truths(folder), strict=True))[:SHOWN]:
        right = np.full_like(canvas[:, : box.width], 255)
        right[-box.height :] = row[target]
        rows.append(np.concatenate([canvas, right], axis=1))
    Image.fromarray(np.concatenate(rows)).save(file)


def prove(tasks: tuple[Task, ...], plan: Plan) -> str:
    """The table of what was learned, as Markdown."""
    lines = []
    for task in tasks:
        test = compile_scenes(task, plan, TEST_SEED, plan.test)
        run, steps = train_task(task, plan)
        columns = ("loss", *task.measures)
        lines += [f"**{task.name}**, {steps} steps", ""]
        lines += [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, adapter, is_right in (
            ("base, right context", None, True),
            ("adapter, right context", run, True),
            ("adapter, another sample's context", run, False),
        ):
            found = measure(task, test, adapter, is_right, steps)
            lines.append(f"| {name} | {' | '.join(_figure(found[c]) for c in columns)} |")
            print(lines[-1], flush=True)
        lines.append("")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def options_of(description: str) -> argparse.ArgumentParser:
    """The options of every script that trains on scenes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=Path("build/learning"))
    parser.add_argument("--model", default="miniature", help="an SDXL folder or Hub id")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of the adapter")
    parser.add_argument("--train", type=int, default=1000, help="scenes to train on")
    parser.add_argument("--test", type=int, default=48, help="scenes to measure with")
    return parser


def plan_of(options: argparse.Namespace, **settings: Any) -> Plan:
    """What the options ask for, with further settings of the training."""
    wanted = Settings(
        adapter=ADAPTER,
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        gradient_checkpointing=False,
        precision="bf16",
        tracker="none",
        **settings,
    )
    return Plan(options.output, options.model, options.train, options.test, wanted)


def main() -> None:
    """Read the command line and measure."""
    parser = options_of(__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=["tasks", "layouts", "all"], default="all")
    options = parser.parse_args()
    plan = plan_of(options)
    for name, tasks in (("tasks", TASKS), ("layouts", LAYOUTS)):
        if options.what in (name, "all"):
            table = prove(tasks, plan)
            (options.output / f"{name}.md").write_text(table)
            print(table)


if __name__ == "__main__":
    main()
