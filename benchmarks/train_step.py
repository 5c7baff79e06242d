"""Steps a second of the training loop, and what they cost: memory, and waiting for data.

    python benchmarks/train_step.py
    python benchmarks/train_step.py --steps 50 --small

On a GPU: SDXL's whole U-Net with random bfloat16 weights, the default LoRA, latents of 128 x 128
and prompts of SDXL's size from shards on disk; batches of 1, of 4 and of the largest number that
fits, with and without gradient checkpointing and torch.compile. Without a GPU, or with --small, it
is the bundled model on the bundled photographs, which says nothing of SDXL.

Every row is measured twice by turns: with batches from the loader, and with one batch that is on
the device already. What the first takes longer is the time that the device waited for data.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from diffusers import UNet2DConditionModel
from loader import write_onepic
from torch.utils.flop_counter import FlopCounterMode

from onepic.backbones.backbone import Component
from onepic.backbones.model import Model
from onepic.common.report import Silent
from onepic.common.yaml_file import Override
from onepic.compiler import Scheduling, compile_dataset, read_recipe
from onepic.trainer.base import open_base
from onepic.trainer.canvases import open_canvases
from onepic.trainer.division import divide
from onepic.trainer.loader import Batch
from onepic.trainer.loop import Loop, peak_memory
from onepic.trainer.metrics import Metrics
from onepic.trainer.run import Inputs, open_accelerator, prepare
from onepic.trainer.settings import Settings
from onepic.trainer.stopwatch import Stopwatch

SDXL: dict[str, Any] = {
    "sample_size": 128,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
#: Dense bfloat16 operations a second, from NVIDIA's data sheets.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "4090": 165e12}
WARM_UP = 3


class RandomSDXL(Model):
    """SDXL's U-Net with random weights, made on the GPU."""

    def load(self, component: Component, dtype: torch.dtype) -> UNet2DConditionModel:  # noqa: ARG002
        """As `Model.load`, of the network."""
        with torch.device("cuda"):
            return UNet2DConditionModel(**SDXL).to(dtype)


@dataclass(frozen=True)
class Row:
    """Steps a second with and without the loader, and the most memory in use, in GB."""

    rate: float
    rate_without_loader: float
    memory: float

    @property
    def waited(self) -> float:
        """The share of time that went into waiting for data; noise can make it negative."""
        return 1 - self.rate / self.rate_without_loader


def open_small(folder: Path) -> Inputs:
    """The bundled photographs, compiled for the bundled model."""
    recipe_file = Path(__file__).parent.parent / "recipes" / "colorization.yaml"
    recipe = read_recipe(recipe_file, [Override(("limit",), 64, "")])
    compile_dataset(
        recipe, folder, recipe_folder=recipe_file.parent, scheduling=Scheduling(local=True)
    )
    return inputs_of(folder, open_base("miniature", None))


def open_large(folder: Path) -> Inputs:
    """Random latents and prompts in SDXL's shapes."""
    write_onepic(folder, 256)
    small = open_base("miniature", None)
    known = {field.name: getattr(small, field.name) for field in fields(small)}
    return inputs_of(folder, RandomSDXL(**known | {"name": "SDXL", "network": SDXL}))


def inputs_of(folder: Path, base: Model) -> Inputs:
    """A dataset of which all samples are trained on."""
    dataset = open_canvases(folder)
    none = torch.arange(0).numpy()
    return Inputs((dataset,), base, divide((dataset,), 0), (none,))


def make_loop(inputs: Inputs, settings: Settings, folder: Path) -> Loop:
    """A run that is ready for its first step."""
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = open_accelerator(settings, folder)
    run = prepare(inputs, settings, folder, accelerator, Stopwatch())
    return Loop(run, Metrics(folder, accelerator, 0), Silent())


def time_steps(loop: Loop, batches: Iterator[Batch], steps: int) -> float:
    """Steps a second, from one idle device to the next."""
    synchronize()
    began = time.perf_counter()
    for _ in range(steps):
        loop.advance(batches)
    synchronize()
    loop.read_losses()
    return steps / (time.perf_counter() - began)


def synchronize() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure(inputs: Inputs, settings: Settings, steps: int) -> Row:
    """Two turns with the loader and two without it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        loop = make_loop(inputs, settings, Path(folder))
        device = loop.run.accelerator.device
        batches = loop.run.loader().batches()
        fixed = itertools.repeat(next(batches).to(device))
        time_steps(loop, batches, WARM_UP)
        turns = [
            (time_steps(loop, batches, steps), time_steps(loop, fixed, steps)) for _ in range(2)
        ]
        batches.close()
    loaded, bare = (sum(rates) / len(turns) for rates in zip(*turns, strict=True))
    return Row(loaded, bare, peak_memory(device) / 1e9)


def count_flops(config: Mapping[str, Any], latents: tuple[int, int, int]) -> int:
    """Floating-point operations of the U-Net's forward pass on one sample, without doing them."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
        pooled = config["projection_class_embeddings_input_dim"]
        pooled -= 6 * config["addition_time_embed_dim"]
        sizes = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, 6)}
        hidden = torch.empty(1, 77, config["cross_attention_dim"])
        with FlopCounterMode(display=False) as counter:
            unet(torch.empty(1, *latents), torch.empty(1), hidden, added_cond_kwargs=sizes)
    return int(counter.get_total_flops())


def settings_of(batch_size: int, checkpointing: bool, compiled: bool) -> Settings:
    """The defaults, but for what is compared."""
    return Settings(
        batch_size=batch_size,
        gradient_checkpointing=checkpointing,
        compile=compiled,
        tracker="none",
    )


def largest_batch(inputs: Inputs, checkpointing: bool) -> int:
    """The largest batch of which one step fits into the GPU's memory, to within an eighth."""
    fits, step = 1, 1
    while step:
        try:
            measure(inputs, settings_of(fits + step, checkpointing, False), 1)
        except torch.OutOfMemoryError:
            step //= 2
        else:
            fits += step
            step = step * 2 if fits == 2 * step else step // 2
        if step < fits // 8:
            break
    return fits


def rows(inputs: Inputs, is_large: bool) -> Iterator[Settings]:
    """What is compared."""
    for checkpointing in (False, True):
        sizes = [1, 4]
        if is_large:
            sizes.append(largest_batch(inputs, checkpointing))
        for compiled in (False, True) if is_large else (False,):
            yield from (settings_of(size, checkpointing, compiled) for size in sizes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="steps of each of four turns")
    parser.add_argument("--small", action="store_true", help="the bundled model even on a GPU")
    options = parser.parse_args()
    is_large = torch.cuda.is_available() and not options.small
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    peak = next((peak for name, peak in PEAKS.items() if name in device), None)
    with tempfile.TemporaryDirectory() as folder:
        inputs = (open_large if is_large else open_small)(Path(folder))
        shape = inputs.datasets[0].samples.shapes[0]
        flops = count_flops(inputs.base.network, shape)
        model = "SDXL's U-Net, random weights" if is_large else "the bundled U-Net, not SDXL"
        print(f"{model}, latents {shape}, {flops / 1e12:.3g} TFLOP forward, on {device}")
        for settings in rows(inputs, is_large):
            row = measure(inputs, settings, options.steps)
            samples = row.rate * settings.batch_size
            # A frozen weight needs no gradient: backward costs as much as forward, not twice.
            used = f", {2 * flops * samples / peak:.1%} of the peak" if peak and is_large else ""
            print(
                f"batch {settings.batch_size}, "
                f"{'' if settings.gradient_checkpointing else 'no '}checkpointing, "
                f"{'' if settings.compile else 'not '}compiled: {row.rate:.3g} steps/s, "
                f"{samples:.3g} samples/s{used}, {row.memory:.1f} GB, "
                f"{row.waited:+.1%} of the time waiting for data",
                flush=True,
            )


if __name__ == "__main__":
    main()
