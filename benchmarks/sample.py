"""What sampling costs besides the U-Net, and how long the command takes to its first step.

    python benchmarks/sample.py
    python benchmarks/sample.py --steps 50 --turns 9 --small

On a GPU: SDXL's U-Net and VAE with random float16 weights, a canvas of 1024 x 1024 px with two
panels, and prompts of SDXL's size. Without a GPU, or with --small, it is the bundled model at its
own size, which says nothing of SDXL.

A step of `OnePicPipeline` stands beside bare calls of its U-Net with the same inputs, by turns; the
figures are of the median turn. The target is decoded alone and as a part of the whole canvas. The
command's parts are timed in processes of their own, from the start of Python.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from train_step import SDXL, synchronize

from onepic import miniature
from onepic.canvas.layout import Box
from onepic.dataset.decoder import decode_box
from onepic.sampler import OnePicPipeline, Task, open_task
from onepic.sampler.canvas import Canvas, make_canvas
from onepic.sampler.decode import upcast

ROOT = Path(__file__).parent.parent
WARM_UP = 2
SDXL_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "force_upcast": True,
}
#: Does what the command does, and says how long each part took.
FIRST_STEP = """
import json, sys, time
began, run, image = float(sys.argv[1]), *sys.argv[2:]
laps = [("Python", time.time())]
from onepic.sampler import asked, cli, pictures
laps.append(("command", time.time()))
request = asked.request_of(None, images={"grey": image}, values={}, run=run, seed=None)
task = pictures.task_of(request)
canvas = pictures.canvas_of(task, request)
laps.append(("canvas", time.time()))
from onepic.sampler.sample import fill, open_pipeline
laps.append(("libraries", time.time()))
pipe = open_pipeline(task)
laps.append(("model", time.time()))
class Stop(Exception): pass
def stop(*_): raise Stop
pipe.unet.register_forward_hook(stop)
try: fill(pipe, canvas, request)
except Stop: laps.append(("first step", time.time()))
ends = [began, *(at for _, at in laps)]
print(json.dumps({name: at - before for (name, at), before in zip(laps, ends)}))
"""


class RandomSDXL(OnePicPipeline):
    """SDXL's networks with random weights, and embeddings of its size for any prompt."""

    def _embed(self, prompt: str | None) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(len(prompt or ""))
        return torch.randn(1, 77, 2048, generator=random), torch.randn(1, 1280, generator=random)


def make_run(folder: Path) -> Path:
    """An adapter of the bundled model, trained for a step on the bundled photographs."""
    compile_ = ["onepic.compiler", ROOT / "recipes/colorization.yaml", "--limit", "16"]
    train = ["onepic.trainer", folder / "data", "--steps", "1", "--set", "tracker=none"]
    for command, output in ((compile_, folder / "data"), (train, folder / "run")):
        arguments = [str(part) for part in (*command, "--output", output)]
        subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True)
    return folder / "run"


def open_small(task: Task) -> tuple[OnePicPipeline, Task]:
    """The bundled model, with its adapter."""
    pipe: OnePicPipeline = OnePicPipeline.from_pretrained(miniature.path())
    pipe.load_task(task.folder)
    if torch.cuda.is_available():
        pipe.to("cuda")
    return pipe, task


def open_large(task: Task) -> tuple[OnePicPipeline, Task]:
    """SDXL's sizes, without an adapter."""
    small = OnePicPipeline.from_pretrained(miniature.path())
    with torch.device("cuda"):
        unet, vae = UNet2DConditionModel(**SDXL), AutoencoderKL(**SDXL_VAE)
    pipe = RandomSDXL(**{**small.components, "unet": unet, "vae": vae}).to("cuda", torch.float16)
    pipe.task = dataclasses.replace(task, size=(512, 1024))
    return pipe, pipe.task


def time_call(work: Callable[[], object]) -> float:
    """Seconds, from one idle device to the next."""
    synchronize()
    began = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - began


def time_steps(pipe: OnePicPipeline, canvas: Canvas, guidance: float, steps: int) -> float:
    """Seconds that a step of the pipeline takes: the first one starts the clock."""
    times: list[float] = []

    def note(_: object, number: int, *__: object) -> dict[str, Any]:
        if number in (0, steps):
            synchronize()
            times.append(time.perf_counter())
        return {}

    pipe(
        canvas,
        num_inference_steps=steps + 1,
        guidance_scale=guidance,
        output_type="latent",
        callback_on_step_end=note,
    )
    return (times[1] - times[0]) / steps


def record_inputs(pipe: OnePicPipeline, canvas: Canvas, guidance: float) -> tuple[Any, Any]:
    """What the pipeline gives to its U-Net."""
    calls: list[tuple[Any, Any]] = []
    hook = pipe.unet.register_forward_pre_hook(
        lambda _, given, named: calls.append((given, named)), with_kwargs=True
    )
    pipe(canvas, num_inference_steps=1, guidance_scale=guidance, output_type="latent")
    hook.remove()
    return calls[0]


def compare_steps(
    pipe: OnePicPipeline, canvas: Canvas, guidance: float, steps: int, turns: int
) -> tuple[float, float, float]:
    """Seconds of a pipeline's step and of a bare call, and the median turn's ratio."""
    given, named = record_inputs(pipe, canvas, guidance)

    @torch.no_grad()
    def call_network() -> None:
        for _ in range(steps):
            pipe.unet(*given, **named)

    time_steps(pipe, canvas, guidance, WARM_UP)
    time_call(call_network)
    pairs = [
        (time_steps(pipe, canvas, guidance, steps), time_call(call_network) / steps)
        for _ in range(turns)
    ]
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    return ours, bare, statistics.median(step / call for step, call in pairs)


def compare_decoding(pipe: OnePicPipeline, canvas: Canvas, turns: int) -> tuple[float, float]:
    """Seconds to decode the target alone, and the whole canvas."""
    (latents,) = pipe(canvas, num_inference_steps=1, output_type="latent", return_dict=False)
    width, height = canvas.layout.canvas_size

    @torch.no_grad()
    def decode_all() -> None:
        with upcast(pipe.vae):
            decode_box(pipe.vae, latents, Box(0, 0, width, height), pipe.scale)

    decode_all()
    pairs = [
        (time_call(lambda: pipe.decode_targets(canvas, latents)), time_call(decode_all))
        for _ in range(turns)
    ]
    target, whole = (statistics.median(times) for times in zip(*pairs, strict=True))
    return target, whole


def time_first_step(run: Path, image: Path, turns: int) -> dict[str, float]:
    """Seconds of each part of the command until the U-Net's first answer; medians."""
    laps = []
    for _ in range(turns):
        arguments = [sys.executable, "-c", FIRST_STEP, str(time.time()), str(run), str(image)]
        result = subprocess.run(arguments, check=True, capture_output=True, text=True)
        laps.append(json.loads(result.stdout))
    return {part: statistics.median(lap[part] for lap in laps) for part in laps[0]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20, help="steps of a turn")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--small", action="store_true", help="the bundled model even on a GPU")
    options = parser.parse_args()
    diffusers.utils.logging.disable_progress_bar()
    is_large = torch.cuda.is_available() and not options.small
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder))
        photo = Path(folder) / "photo.png"
        Image.effect_noise((512, 512), 60).convert("RGB").save(photo)
        pipe, task = (open_large if is_large else open_small)(open_task(run))
        pipe.set_progress_bar_config(disable=True)
        canvas = make_canvas(task, {"grey": str(photo)}, {})
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        model = "SDXL, random weights" if is_large else "the bundled model, not SDXL"
        width, height = canvas.layout.canvas_size
        print(f"{model}, a canvas of {width} x {height} px, on {device}")
        for guidance in (1.0, 5.0):
            ours, bare, ratio = compare_steps(pipe, canvas, guidance, options.steps, options.turns)
            print(
                f"guidance {guidance:g}: {ours * 1e3:.2f} ms a step, {bare * 1e3:.2f} ms a bare "
                f"call, {ratio - 1:+.1%}",
                flush=True,
            )
        target, whole = compare_decoding(pipe, canvas, options.turns)
        print(f"decoding: the target {target * 1e3:.1f} ms, the canvas {whole * 1e3:.1f} ms")
        laps = time_first_step(run, photo, 5)
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in laps.items())
        print(
            f"onepic-sample, bundled model: {sum(laps.values()):.2f} s to its first step: {parts}"
        )


if __name__ == "__main__":
    main()
