"""A LoRA on canvases beside a ControlNet: canny to image, on the same base, data, steps and batch.

    python benchmarks/controlnet.py --output build/learning
    python benchmarks/controlnet.py --steps 20 --every 10 --train 100 --test 8

The ControlNet is diffusers' ControlNetModel, begun from the U-Net, all of it trained with AdamW on
the plain objective at several learning rates, its condition given in pixels. Both are measured on
the same held-out scenes with the same noise: the error of the predicted noise of the picture, and
how well the edges of what is drawn agree with the true picture's. Measuring does not count as time.
A table and a plot are written to the output folder; finished curves are kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import quality
import torch
from diffusers import ControlNetModel
from learning import (
    BATCH,
    NOISE_SEED,
    SAMPLING_STEPS,
    SIDE,
    TASKS,
    TEST_SEED,
    TRAIN_SEED,
    Plan,
    compile_scenes,
    options_of,
    places,
    plan_of,
    regions,
    truths,
)
from torch import Tensor

from onepic.backbones.model import Model, load_vae
from onepic.backbones.texts import in_dtype
from onepic.canvas.layout import Box
from onepic.dataset.decoder import decode_box
from onepic.sampler.cached import fill_batch, load_scheduler
from onepic.trainer import CanvasLoader, open_canvases, train
from onepic.trainer.base import open_base
from onepic.trainer.canvases import Canvases
from onepic.trainer.loader import Batch
from onepic.trainer.run import Run
from onepic.trainer.step import Objective, noise_at, seed_of_batch

CANNY = TASKS[1]
CANNY_1X2 = replace(CANNY, name="canny-1x2", overrides=("layout=[[edges, picture]]",))
CELLS = SIDE // 8
#: diffusers' example trains at 1e-5; a network this small may want more
RATES = (1e-5, 1e-4, 1e-3)

EDGES, COLOURS = "agreement of edges (F1)", "colour error on the subject"

Network = Callable[[Tensor, Tensor, Batch], Tensor]


@dataclass
class Curve:
    """What was measured after so many steps and seconds of training."""

    points: list[dict[str, float]] = field(default_factory=list)

    def add(self, step: int, seconds: float, found: dict[str, float]) -> None:
        """One more point."""
        self.points.append({"step": step, "seconds": round(seconds, 1), **found})
        print(self.points[-1], flush=True)


@dataclass(frozen=True)
class Scenes:
    """Held-out canvases, to measure any network on their target panels."""

    canvases: Canvases
    base: Model

    @classmethod
    def of(cls, folder: Path) -> Scenes:
        """Those of a compiled dataset."""
        canvases = open_canvases(folder)
        model = canvases.info.model
        return cls(canvases, open_base(model.name, model.revision))

    @property
    def target(self) -> Box:
        """Where the target panel lies, px."""
        return places(Path(self.canvases.name))[0]

    def batches(self, only_target: bool) -> list[Batch]:
        """All canvases, or their target panels alone, which are then all that is noised."""
        everything = [np.arange(len(self.canvases))]
        batches = list(CanvasLoader([self.canvases], BATCH, parts=everything, once=True))
        return [cut_to(batch, self.target) for batch in batches] if only_target else batches

    @torch.no_grad()
    def measure(self, network: Network, only_target: bool) -> dict[str, float]:
        """The masked error, the agreement of edges, and the colour error on the subject."""
        objective = Objective.of(self.base)
        vae = load_vae(self.base.name, self.base.revision)
        scheduler = load_scheduler(self.base.folder / "scheduler")
        folder = Path(self.canvases.name)
        rows, where = truths(folder), regions(folder, CANNY.region)
        _, target, _ = places(folder)
        errors, agreement, colours = [], [], []
        box = Box(0, 0, SIDE, SIDE) if only_target else self.target
        for batch in self.batches(only_target):
            errors.append(errors_of(network, batch, objective, len(self.canvases), self.target))
            filled = fill_batch(
                network, batch, scheduler, self.base.backbone.sampling, SAMPLING_STEPS
            )
            made = decode_box(vae, filled, box, self.base.latents).numpy()
            for number, picture in zip(batch.samples, made, strict=True):
                truth = rows[int(number)][target]
                agreement.append(quality.edge_agreement(picture, truth))
                colours.append(quality.colour_error(picture, truth, where[int(number)]))
        return {
            "loss": float(torch.cat(errors).mean()),
            EDGES: float(np.mean(agreement)),
            COLOURS: float(np.mean(colours)),
        }


def errors_of(
    network: Network, batch: Batch, objective: Objective, count: int, target: Box
) -> Tensor:
    """Each sample's masked error; the target sees the same noise in a canvas and alone."""
    numbers = [int(n) for n in batch.samples]
    t = objective.process.spread(numbers, count)
    eps = torch.zeros_like(batch.latents, dtype=torch.float32)
    window = (..., *target.divided(8).slices) if eps.shape[-1] > CELLS else (...,)
    eps[window] = noise_at(numbers, (4, CELLS, CELLS), NOISE_SEED)
    return objective.errors(as_unet(network, batch), batch, eps, t)


def as_unet(network: Network, batch: Batch) -> Any:
    """A network as the objective calls a U-Net: what it is told of the batch, it knows already."""

    def unet(x_t: Tensor, t: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
        return (network(x_t, t, batch),)

    return unet


def cut_to(batch: Batch, box: Box) -> Batch:
    """Only the target panel of a batch, as if it were the whole picture."""
    window = (..., *box.divided(8).slices)
    sizes = torch.tensor([SIDE, SIDE, 0, 0, SIDE, SIDE], dtype=torch.float32)
    latents = batch.latents[window].contiguous()
    mask = batch.mask[window].contiguous()
    told = {"time_ids": sizes.expand(len(latents), -1)}
    return replace(batch, latents=latents, mask=mask, conditions=told)


def train_lora(name: str, data: Path, test: Path, plan: Plan) -> Curve:
    """The curve of the default LoRA on canvases."""
    curve, scenes = Curve(), Scenes.of(test)
    began, measuring = time.monotonic(), 0.0

    def at_validation(run: Run) -> None:
        nonlocal began, measuring
        start = time.monotonic()
        if run.state.step == 0:
            began = start
        run.network.eval()

        def network(seen: Tensor, t: Tensor, batch: Batch) -> Tensor:
            return run.objective.predict(run.network, seen, t, batch)

        found = scenes.measure(network, only_target=False)
        run.network.train()
        measuring += time.monotonic() - start
        curve.add(run.state.step, time.monotonic() - began - measuring, found)

    train([data], plan.output / f"curve-{name}", plan.settings, pictures=at_validation)
    return curve


def train_controlnet(rate: float, data: Path, test: Path, plan: Plan) -> Curve:
    """The curve of a ControlNet, trained as diffusers' example does."""
    torch.manual_seed(0)
    curve, scenes, known = Curve(), Scenes.of(test), Scenes.of(data)
    unet = scenes.base.load(scenes.base.backbone.network, torch.float32).requires_grad_(False)
    controlnet = ControlNetModel.from_unet(unet).train()
    optimizer = torch.optim.AdamW(controlnet.parameters(), lr=rate, weight_decay=0.01)
    objective = Objective.of(scenes.base, plan.settings)
    seconds = 0.0
    held_out, learned = (conditions(place) for place in (test, data))
    loader = CanvasLoader([known.canvases], plan.settings.batch_size, prompt_dropout=0.1)
    with closing(loader.batches()) as batches:
        for step in range(plan.settings.steps + 1):
            if step % plan.settings.validate_every == 0:
                controlnet.eval()
                found = scenes.measure(steered(unet, controlnet, held_out), only_target=True)
                controlnet.train()
                curve.add(step, seconds, found)
            start = time.monotonic()
            batch = cut_to(next(batches), known.target)
            network = as_unet(steered(unet, controlnet, learned), batch)
            objective.losses(network, batch, seed_of_batch(0, step)).mean().backward()
            torch.nn.utils.clip_grad_norm_(controlnet.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            seconds += time.monotonic() - start
    return curve


def conditions(folder: Path) -> Tensor:
    """The edges of all rows of a dataset, float32 [N, 3, SIDE, SIDE] in 0..1."""
    pixels = np.stack([row["edges"] for row in truths(folder)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def steered(unet: Any, controlnet: Any, edges: Tensor) -> Network:
    """The U-Net with what the ControlNet adds for each sample's edges."""

    def network(seen: Tensor, t: Tensor, batch: Batch) -> Tensor:
        texts = in_dtype(batch.texts, torch.float32)
        added = {"text_embeds": texts["pooled"], "time_ids": batch.conditions["time_ids"]}
        hidden, condition = texts["hidden"], edges[torch.from_numpy(batch.samples)]
        with torch.autocast("cpu", torch.bfloat16):
            down, middle = controlnet(
                seen, t, hidden, controlnet_cond=condition, added_cond_kwargs=added,
                return_dict=False,
            )  # fmt: skip
            output: Tensor = unet(
                seen, t, hidden, added_cond_kwargs=added, down_block_additional_residuals=down,
                mid_block_additional_residual=middle, return_dict=False,
            )[0]  # fmt: skip
        return output.float()

    return network


def all_curves(plan: Plan) -> dict[str, list[dict[str, float]]]:
    """Every curve; those that were finished before are read again."""
    file = plan.output / "curves.json"
    curves: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for task, name in ((CANNY, "LoRA, 2 x 2 canvas"), (CANNY_1X2, "LoRA, 1 x 2 canvas")):
        data = compile_scenes(task, plan, TRAIN_SEED, plan.train)
        test = compile_scenes(task, plan, TEST_SEED, plan.test)
        if name not in curves:
            curves[name] = train_lora(task.name, data, test, plan).points
            file.write_text(json.dumps(curves))
    for rate in RATES:
        name = f"ControlNet, rate {rate:g}"
        if name not in curves:
            curves[name] = train_controlnet(rate, data, test, plan).points
            file.write_text(json.dumps(curves))
    return curves


def plot(curves: dict[str, list[dict[str, float]]], file: Path) -> None:
    """Quality over steps and over seconds."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(10, 6), sharey="row", sharex="col")
    for row, value in zip(axes, (EDGES, COLOURS), strict=True):
        row[0].set_ylabel(value)
        for axis, along in zip(row, ("step", "seconds"), strict=True):
            axis.grid(alpha=0.3)
            for name, points in curves.items():
                values = [point[value] for point in points]
                axis.plot([point[along] for point in points], values, marker="o", ms=3, label=name)
    axes[1][0].set_xlabel("steps")
    axes[1][1].set_xlabel("seconds of training")
    axes[0][1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=80)


def table(curves: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: each curve by step, its loss, its edges and its colours."""
    steps = [int(point["step"]) for point in next(iter(curves.values()))]
    lines = []
    for value in ("loss", EDGES, COLOURS):
        lines += [f"| {value} after steps | {' | '.join(map(str, steps))} | seconds |"]
        lines += ["|---" * (len(steps) + 2) + "|"]
        for name, points in curves.items():
            cells = [f"{point[value]:.3g}" for point in points]
            lines.append(f"| {name} | {' | '.join(cells)} | {points[-1]['seconds']:.0f} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Read the command line and measure."""
    parser = options_of(__doc__.split("\n")[0])
    parser.add_argument("--every", type=int, default=100, help="steps between two measurements")
    options = parser.parse_args()
    plan = plan_of(
        options,
        validate_every=options.every,
        validation_samples=1,
        checkpoint_every=options.steps,
    )
    curves = all_curves(plan)
    plot(curves, options.output / "controlnet.png")
    (options.output / "controlnet.md").write_text(table(curves))
    print(table(curves))


if __name__ == "__main__":
    main()
