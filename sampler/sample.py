"""The command's work: open a pipeline once, and make the pictures that requests ask for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging

from ..backbones.model import open_model
from ..common.errors import ModelError, RunError, TaskError
from .canvas import Canvas
from .decode import whole_canvas
from .pipeline import OnePicPipeline
from .request import Request
from .schedulers import make_scheduler
from .task import Task


@dataclass(frozen=True)
class Filled:
    """The pictures of one request: a PNG for each target by name, and the whole canvas."""

    targets: dict[str, Image.Image]
    canvas: Image.Image


def open_pipeline(task: Task, model: str | None = None) -> OnePicPipeline:
    """The pipeline of a task's base model, or of another one, on the GPU where there is one.

    Raises:
        ModelError: when the model cannot be found or loaded.
        SettingsError: when the adapter was trained on another network.
    """
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    name = model or task.base
    found = open_model(name, None if model else task.revision, ("vae", "encoders", "network"))
    on_gpu = torch.cuda.is_available()
    try:
        pipe: OnePicPipeline = OnePicPipeline.from_pretrained(
            found.folder,
            dtype=torch.float16 if on_gpu else torch.float32,
            variant=found.variant_of(found.backbone.network),
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"model {name}: {found.folder} cannot be loaded: {error}") from error
    pipe.set_progress_bar_config(disable=True)
    pipe.load_task(task.folder, task.name)
    if on_gpu:
        pipe.to("cuda")
    return pipe


def fill(pipe: OnePicPipeline, canvas: Canvas, request: Request) -> Filled:
    """Make the picture that a request asks for, on its canvas.

    Raises:
        TaskError: when the scheduler cannot make so many steps.
        RunError: when memory does not suffice.
    """
    if request.scheduler is not None:
        pipe.scheduler = make_scheduler(
            request.scheduler, pipe.scheduler.config, pipe.backbone.sampling
        )
    try:
        pipe.backbone.sampling.begin(pipe.scheduler, request.steps, torch.zeros(()))
    except ValueError as error:
        raise TaskError(f"--steps {request.steps}: {error}") from error
    try:
        return _fill(pipe, canvas, request)
    except torch.OutOfMemoryError as error:
        width, height = canvas.layout.canvas_size
        raise RunError(
            f"out of GPU memory with a canvas of {width} x {height} px; earlier pictures are "
            "kept, try a smaller --panel-size"
        ) from error


def _fill(pipe: OnePicPipeline, canvas: Canvas, request: Request) -> Filled:
    (latents,) = pipe(
        canvas,
        negative_prompt=request.negative_prompt,
        num_inference_steps=request.steps,
        **request.guidance.model_dump(),
        # The same noise on every machine: it is drawn on the CPU.
        generator=torch.Generator().manual_seed(request.seed + request.number),
        output_type="latent",
        return_dict=False,
    )
    (targets,) = pipe.decode_targets(canvas, latents)
    return Filled(
        {name: Image.fromarray(pixels) for name, pixels in targets.items()},
        Image.fromarray(whole_canvas(canvas, targets)),
    )
