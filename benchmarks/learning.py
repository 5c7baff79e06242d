"""What an adapter learns on the miniature, on scenes that nothing was trained on.

    python benchmarks/learning.py --output build/learning
    python benchmarks/learning.py tasks --steps 100 --train 200 --test 16

`tasks` trains an adapter for colorization, canny to image, editing and try-on, and measures the base
model without it, the adapter with the right context, and with another sample's context: the
masked loss, and the quality of filled targets. `layouts` repeats the paper's comparison of layouts.
The tables are written to the output folder as Markdown, with pictures of some canvases. What
exists is kept: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import quality
import torch
from PIL import Image
from quality import Pixels
from torch import Tensor

from onepic.compiler import Scheduling, compile_dataset, read_recipe
from onepic.compiler.layout import Layout
from onepic.compiler.recipe import Recipe
from onepic.compiler.yaml_file import Override
from onepic.sampler.cached import decode_canvases, fill_batch, load_scheduler, load_vae
from onepic.trainer import CanvasLoader, Settings, open_canvases, train
from onepic.trainer.base import Base, open_base
from onepic.trainer.canvases import Canvases
from onepic.trainer.export import load_trained
from onepic.trainer.loader import Batch
from onepic.trainer.step import Objective, predict, seed_of_batch

RECIPES = Path(__file__).parent.parent / "recipes"
#: px of a panel, and the seeds of the scenes to train on and to measure with
SIDE, TRAIN_SEED, TEST_SEED = 128, 11, 12
SAMPLING_STEPS = 20
BATCH = 16

Measure = Callable[[Pixels, Pixels, Pixels], float]
#: of what was made, the truth, and the context that lies first on the canvas
MEASURES: dict[str, Measure] = {
    "PSNR, dB": lambda made, truth, _: quality.psnr(made, truth),
    "SSIM": lambda made, truth, _: quality.ssim(made, truth),
    "colour error": lambda made, truth, _: quality.colour_error(made, truth),
    "edge agreement": lambda made, truth, _: quality.edge_agreement(made, truth),
    "edit done": quality.edit_done,
}


@dataclass(frozen=True)
class Task:
    """A recipe, what is changed of it, and what tells whether it was learned."""

    name: str
    recipe: str
    measures: tuple[str, ...]
    overrides: tuple[str, ...] = ()


TASKS = (
    Task("colorization", "colorization", ("PSNR, dB", "SSIM", "colour error")),
    Task("canny", "canny", ("SSIM", "edge agreement")),
    Task("editing", "editing", ("PSNR, dB", "SSIM", "edit done")),
    Task("try-on", "try-on", ("PSNR, dB", "SSIM", "colour error")),
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
    train: int
    test: int
    settings: Settings


def compile_scenes(task: Task, plan: Plan, seed: int, count: int) -> Path:
    """The dataset of a task, on scenes of one seed."""
    texts = (
        f"source={{kind: scenes, count: {count}, seed: {seed}, size: {SIDE}}}",
        f"panel_size={{width: {SIDE}, height: {SIDE}}}",
        *task.overrides,
    )
    recipe = read_recipe(RECIPES / f"{task.recipe}.yaml", [_override(text) for text in texts])
    folder = plan.output / f"{task.name}-{seed}-{count}"
    compile_dataset(recipe, folder, recipe_folder=RECIPES, scheduling=Scheduling(local=True))
    return folder


def _override(text: str) -> Override:
    from onepic.compiler.recipe_file import RECIPE

    return Override.parse(text, RECIPE)


def train_task(task: Task, plan: Plan) -> tuple[Path, float]:
    """The folder of a trained adapter, and the seconds that it took."""
    run = plan.output / f"{task.name}-run"
    timing = run / "seconds.json"
    if not timing.exists():
        data = compile_scenes(task, plan, TRAIN_SEED, plan.train)
        began = time.monotonic()
        train([data], run, plan.settings, resume=True)
        timing.write_text(json.dumps(time.monotonic() - began))
    return run, float(json.loads(timing.read_text()))


@dataclass(frozen=True)
class Test:
    """Held-out canvases, and a network to measure on them."""

    canvases: Canvases
    base: Base
    unet: Any

    @classmethod
    def of(cls, folder: Path, adapter: Path | None) -> Test:
        """A dataset with the base model's U-Net, and an adapter if there is one."""
        canvases = open_canvases(folder)
        base = open_base(canvases.info["model"]["name"], canvases.info["model"]["revision"])
        unet = base.load_unet(torch.float32)
        if adapter is not None:
            load_trained(unet, adapter)
        return cls(canvases, base, unet.eval())

    def batches(self, is_right: bool) -> Iterator[Batch]:
        """All canvases; or each with the context of the one before it in its batch."""
        everything = [np.arange(len(self.canvases))]
        for batch in CanvasLoader([self.canvases], BATCH, parts=everything, once=True):
            others = torch.where(batch.mask.bool(), batch.latents, batch.latents.roll(1, 0))
            yield batch if is_right else replace(batch, latents=others)

    @torch.no_grad()
    def loss(self, is_right: bool) -> float:
        """The mean masked error, over timesteps that cover the schedule evenly."""
        objective = Objective.of(Settings(), *self.base.noise_schedule())
        steps, errors = len(objective.abar), []
        for batch in self.batches(is_right):
            places = [int(n) for n in batch.samples]
            t = torch.tensor([(2 * n + 1) * steps // (2 * len(self.canvases)) for n in places])
            shape = batch.latents.shape[1:]
            eps = torch.stack(
                [
                    torch.randn(shape, generator=torch.Generator().manual_seed(seed_of_batch(1, n)))
                    for n in places
                ]
            )
            errors.append(objective.errors(self.unet, batch, eps, t))
        return float(torch.cat(errors).mean())

    def fill(self, is_right: bool) -> list[Pixels]:
        """All canvases with their targets filled."""
        vae, scheduler = load_vae(self.base), load_scheduler(self.base.folder / "scheduler")

        def network(seen: Tensor, t: Tensor, batch: Batch) -> Tensor:
            return predict(self.unet, seen, t, batch)

        filled: list[Pixels] = []
        for batch in self.batches(is_right):
            latents = fill_batch(network, batch, scheduler, SAMPLING_STEPS)
            filled += decode_canvases(vae, latents, self.canvases.info, self.base)
        return filled


@cache
def truths(folder: Path) -> list[dict[str, Pixels]]:
    """The panels of a dataset's rows, as they were before they were encoded."""
    from onepic.compiler.panels import PreparedRow, prepare_rows

    info = open_canvases(folder).info
    recipe = Recipe.model_validate(info["recipe"])
    layout = _layout(info)
    rows = recipe.source.scan(recipe.columns, Path())
    prepared = prepare_rows(recipe, layout, list(recipe.source.read(rows, recipe.columns)))
    return [dict(row.panels) for row in prepared if isinstance(row, PreparedRow)]


def _layout(info: Mapping[str, Any]) -> Layout:
    width, height = info["panel_size"]
    return Layout(
        tuple(map(tuple, info["recipe"]["layout"])), width, height, info["model"]["factor"]
    )


def measure(task: Task, folder: Path, adapter: Path | None, is_right: bool) -> dict[str, float]:
    """The loss and the quality of one network with one kind of context."""
    test = Test.of(folder, adapter)
    found = {"loss": test.loss(is_right)}
    made = test.fill(is_right)
    layout, target = _layout(test.canvases.info), read_target(test.canvases.info)
    box = layout.boxes(target)[0]
    first = layout.panels[0]
    for name in task.measures:
        values = [
            MEASURES[name](_part(canvas, box), row[target], row[first])
            for canvas, row in zip(made, truths(folder), strict=True)
        ]
        found[name] = float(np.nanmean(values))
    name = "base" if adapter is None else f"adapter-{'right' if is_right else 'wrong'}"
    _write_pictures(folder.parent / f"{task.name}-{name}.png", made, folder)
    return found


def read_target(info: Mapping[str, Any]) -> str:
    """The name of a dataset's target panel."""
    return str(info["recipe"]["target"]["panels"][0])


def _part(canvas: Pixels, box: Any) -> Pixels:
    return canvas[box.top : box.top + box.height, box.left : box.left + box.width]


def _write_pictures(file: Path, made: list[Pixels], folder: Path) -> None:
    """Some canvases as they were filled, each with the truth beside it."""
    target = read_target(open_canvases(folder).info)
    pairs = list(zip(made, truths(folder), strict=True))[:6]
    rows = [np.concatenate([canvas, row[target][: len(canvas)]], axis=1) if len(canvas) == SIDE
            else np.concatenate([canvas, np.pad(row[target], ((0, len(canvas) - SIDE), (0, 0), (0, 0)), constant_values=255)], axis=1)
            for canvas, row in pairs]  # fmt: skip
    Image.fromarray(np.concatenate(rows)).save(file)


def prove(tasks: tuple[Task, ...], plan: Plan) -> str:
    """The table of what was learned, as Markdown."""
    lines = []
    for task in tasks:
        test = compile_scenes(task, plan, TEST_SEED, plan.test)
        run, seconds = train_task(task, plan)
        columns = ("loss", *task.measures)
        lines += [f"**{task.name}** ({seconds / 60:.1f} min of training)", ""]
        lines += [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, adapter, is_right in (
            ("base, right context", None, True),
            ("adapter, right context", run, True),
            ("adapter, another sample's context", run, False),
        ):
            found = measure(task, test, adapter, is_right)
            lines.append(f"| {name} | {' | '.join(_figure(found[c]) for c in columns)} |")
            print(lines[-1], flush=True)
        lines.append("")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=["tasks", "layouts", "all"], default="all")
    parser.add_argument("--output", type=Path, default=Path("build/learning"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--train", type=int, default=2000, help="scenes to train on")
    parser.add_argument("--test", type=int, default=64, help="scenes to measure with")
    options = parser.parse_args()
    settings = Settings(
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        gradient_checkpointing=False,
        precision="bf16",
        tracker="none",
    )
    plan = Plan(options.output, options.train, options.test, settings)
    for name, tasks in (("tasks", TASKS), ("layouts", LAYOUTS)):
        if options.what in (name, "all"):
            table = prove(tasks, plan)
            (options.output / f"{name}.md").write_text(table)
            print(table)


if __name__ == "__main__":
    main()
