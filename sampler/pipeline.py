"""OnePicPipeline: fills the target panels of a canvas, with the habits of diffusers' pipelines."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from numpy.typing import NDArray
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.known import backbone_of, first_backbone
from ..backbones.latents import Latents
from ..backbones.texts import in_dtype
from ..canvas.layout import assemble_latents
from ..canvas.row import ImageValue, Value
from ..common.errors import TaskError
from ..dataset.decoder import decode_box
from ..trainer.adapter import cast
from ..trainer.export import load_trained
from .canvas import Canvas, make_canvas
from .decode import in_form, paste, upcast
from .denoise import denoise, draw_noise
from .guidance import Guidance
from .network import GuidedNetwork
from .parts import FETCHING, declare_parts, offload_order
from .task import Task, open_task

OUTPUT_TYPES = ("pil", "np", "pt", "latent", "canvas")


@dataclass
class OnePicPipelineOutput(BaseOutput):  # type: ignore[misc]
    """Pictures that the pipeline made.

    `images` are the filled targets: for each image of each target panel one after the other, PIL
    images, or an array [N, height, width, 3] or tensor [N, 3, height, width] in 0..1; whole
    canvases for ``canvas``, and canvas latents [N, C, H, W] for ``latent``.
    """

    images: Any


class OnePicPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Fills the target panel of a canvas whose other panels are given.

        pipe = OnePicPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0")
        pipe.load_task("runs/colorization")
        image = pipe({"grey": photo}, num_inference_steps=30).images[0]

    Schedulers, offloading, VAE slicing and tiling, and callbacks are those of every pipeline. What
    it is made of depends on the kind of model, its `backbone`: `from_pretrained` finds it.
    """

    backbone: Backbone = first_backbone()
    model_cpu_offload_seq = offload_order(first_backbone())
    _callback_tensor_inputs = ("latents",)

    def __init__(self, **parts: Any) -> None:
        super().__init__()
        options = {name: parts.pop(name, value) for name, value in self.backbone.options.items()}
        self.register_modules(**parts)
        self.register_to_config(**options)
        self.vae_scale_factor = self.scale.factor
        self.task: Task | None = None

    @classmethod
    def from_pretrained(cls, place: str | PathLike[str], **options: Any) -> OnePicPipeline:
        """Load a model of any known kind, as every pipeline does, and with the same options."""
        fetching = {name: options[name] for name in FETCHING if name in options}
        of = cls._of(cls.load_config(place, **fetching).get("_class_name"))
        if of is not cls:
            return of.from_pretrained(place, **options)
        pipe: OnePicPipeline = super().from_pretrained(place, **options)
        return pipe

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **options: Any) -> OnePicPipeline:
        """Make one of the parts of another pipeline, as every pipeline does."""
        of = cls._of(type(pipeline).__name__)
        if of is not cls:
            return of.from_pipe(pipeline, **options)
        pipe: OnePicPipeline = super().from_pipe(pipeline, **options)
        return pipe

    @classmethod
    def _of(cls, pipeline: Any) -> type[OnePicPipeline]:
        backbone = backbone_of(str(pipeline))
        return cls if backbone in (None, cls.backbone) else class_for(backbone)

    @property
    def network(self) -> Any:
        """The network, which adapters are put on."""
        return getattr(self, self.backbone.network.folder)

    @property
    def scale(self) -> Latents:
        """How the VAE's latents are scaled."""
        return Latents.of(self.vae.config)

    def load_task(
        self,
        place: str | Path,
        task: str | None = None,
        revision: str | None = None,
        operations: Sequence[str | Path] = (),
    ) -> None:
        """Load an adapter and its task card, in place of the ones before.

        Args:
            place: a folder that onepic-train left, or USER/NAME on the Hub.
            task: which one, where the adapter has several.
            revision: branch, tag or commit on the Hub.
            operations: Python files that register operations of the task; they are run.

        Raises:
            TaskError: when there is no such task, or the base model's weights are gone.
            SettingsError: when the adapter was trained on another network.
        """
        found = open_task(place, task, revision, operations)
        latents = self.scale.channels, self.scale.factor
        if (found.channels, found.factor) != latents:
            raise TaskError(
                f"{found.folder}: trained on {found.base}, of which a latent cell has "
                f"{found.channels} channels and {found.factor} px; this pipeline's has "
                f"{latents[0]} and {latents[1]}; load {found.base}"
            )
        if found.kind != "full":  # which needs nothing of the network before
            self._check_base_is_there()
        self._put_on(found)

    def unload_task(self) -> None:
        """Take the adapter off, so that the network is the base model's again.

        Raises:
            TaskError: when the task had trained all weights: the base model's are gone.
        """
        self._check_base_is_there()
        self._take_off()
        self.task = None

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Save the pipeline's components, as every pipeline does; a task stays in its own folder.

        Raises:
            TaskError: when an adapter is on the network: diffusers could not load what it writes.
        """
        if getattr(self.network, "peft_config", None):
            raise TaskError("an adapter is on the network; call unload_task before save_pretrained")
        super().save_pretrained(save_directory, **options)

    def _check_base_is_there(self) -> None:
        if self.task is not None and self.task.kind == "full":
            raise TaskError(
                f"{self.task.folder} took the place of the whole network; load the pipeline anew "
                f"from {self.task.base}"
            )

    def _put_on(self, task: Task) -> None:
        """Exchange the weights for a task's; when they do not fit, those from before stay."""
        before, dtype = self.task, self.network.dtype
        self._take_off()
        try:
            load_trained(self.network, task.folder, self.backbone.network.folder)
        except BaseException:
            self._take_off()
            cast(self.network.parameters(), dtype)
            if before is not None and before.kind != "full":
                self.task = None
                load_trained(self.network, before.folder, self.backbone.network.folder)
                self.task = before
            raise
        self.task = task

    def _take_off(self) -> None:
        if getattr(self.network, "peft_config", None):
            self.network.unload_lora()

    @torch.no_grad()
    def __call__(
        self,
        images: Mapping[str, ImageValue | PathLike[str]] | Canvas,
        prompt: str | None = None,
        *,
        values: Mapping[str, Value] | None = None,
        negative_prompt: str | None = None,
        num_inference_steps: int = 30,
        guidance_scale: float = 5.0,
        image_guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        num_images_per_prompt: int = 1,
        panel_size: tuple[int, int] | None = None,
        layout: Sequence[Sequence[str]] | None = None,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        key: str = "",
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., dict[str, Any] | None] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> OnePicPipelineOutput | tuple[Any]:
        """Fill the targets of a canvas.

        Args:
            images: for each of the task's inputs a path, encoded bytes or an image; or a canvas
                that `make_canvas` made of them, with the prompt and all of that in it.
            prompt: text in place of the task's own.
            values: the columns that the task's prompt names, such as ``{"caption": "a cat"}``.
            negative_prompt: text that guidance leads away from; by default what the model's
                pipeline takes for no prompt.
            num_inference_steps: number of steps of the scheduler.
            guidance_scale: how far to go beyond no prompt; 1 is no guidance.
            image_guidance_scale: how far to go beyond no context; for adapters that were trained
                with context dropout.
            guidance_rescale: phi of Lin et al. 2024, against colours that guidance burns out.
            num_images_per_prompt: number of fillings of the same canvas.
            panel_size: (width, height) in px, by default that of training.
            layout: rows of panels, by default those of training.
            eta: DDIM's share of fresh noise in each step.
            generator: source of the noise, or one for each image.
            latents: noise in place of random one, [N, C, H, W] of the whole canvas.
            key: name from which random operations of the panels draw; a row's key in compiling.
            output_type: ``pil``, ``np``, ``pt``, ``latent``, or ``canvas`` for whole canvases.
            return_dict: False gives a tuple.
            callback_on_step_end: as in every pipeline.
            callback_on_step_end_tensor_inputs: what it is given; ``latents`` are there.

        Raises:
            TaskError: when no task is loaded, or an image is missing, unknown or unusable.
        """
        if output_type not in OUTPUT_TYPES:
            raise ValueError(f"output_type {output_type!r}; known: {', '.join(OUTPUT_TYPES)}")
        if unknown := set(callback_on_step_end_tensor_inputs) - set(self._callback_tensor_inputs):
            raise ValueError(f"callback_on_step_end_tensor_inputs: {unknown}; known: latents")
        guidance = Guidance(
            guidance_scale=guidance_scale,
            image_guidance_scale=image_guidance_scale,
            guidance_rescale=guidance_rescale,
        )
        task = self._loaded_task()
        if "nothing" in guidance.branches and not task.knows_no_context:
            warnings.warn(
                f"task {task.name} was trained without context dropout: image guidance compares "
                "with something that it has never seen",
                stacklevel=3,
            )
        task = task if layout is None else task.arranged(layout)
        canvas = images
        if not isinstance(canvas, Canvas):
            canvas = make_canvas(
                task, canvas, values or {}, panel_size=panel_size, prompt=prompt, key=key
            )
        elif prompt is not None or values or panel_size or layout or key:
            raise ValueError("a canvas has its prompt, values, panel_size, layout and key already")
        self._check_size(canvas)
        device = self._execution_device
        x_0, m = self.encode_context(canvas), torch.from_numpy(canvas.mask)[None].to(device)
        network = GuidedNetwork(
            self.network,
            self.backbone,
            m,
            self._conditions(canvas),
            (self._embed(canvas.prompt), self._embed(negative_prompt)),
            guidance,
        )
        noise = draw_noise((num_images_per_prompt, *x_0.shape[1:]), generator, latents, device)
        state = self.backbone.sampling.begin(self.scheduler, num_inference_steps, noise)
        with self.progress_bar(total=len(self.scheduler.timesteps)) as bar:

            def after_step(number: int, t: Tensor, state: Tensor) -> Tensor:
                bar.update()
                if callback_on_step_end is None:
                    return state
                known = {"latents": state}
                given = {name: known[name] for name in callback_on_step_end_tensor_inputs}
                changed: Tensor = (callback_on_step_end(self, number, t, given) or {}).get(
                    "latents", state
                )
                return changed

            filled = denoise(
                m,
                x_0,
                state,
                self.scheduler,
                self.backbone.sampling,
                network,
                self._step_options(generator, eta),
                after_step,
            )
        made: Any = filled
        if output_type != "latent":
            made = in_form(canvas, self.decode_targets(canvas, filled), output_type)
        self.maybe_free_model_hooks()
        return OnePicPipelineOutput(images=made) if return_dict else (made,)

    def encode_context(self, canvas: Canvas) -> Tensor:
        """The canvas with its known panels, float32 [1, C, H, W]; zeros where nothing is known.

        Each panel is encoded alone and rounded to float16, as the compiler does, and without what
        is to be filled of it.
        """
        box = canvas.layout.boxes(canvas.targets[0])[0].divided(self.scale.factor)
        unknown = np.zeros((self.scale.channels, box.height, box.width), np.float16)
        latents = dict.fromkeys(canvas.layout.panels, unknown)
        context = canvas.context
        names = [name for name in canvas.layout.panels if name in context]
        pixels = np.stack([context[name] for name in names])
        with upcast(self.vae):
            encoded = self.scale.encode(
                self.vae, pixels, canvas.noise_seeds(pixels), self._execution_device
            )
        latents |= dict(zip(names, encoded.half().cpu().numpy(), strict=True))
        x_0 = torch.from_numpy(assemble_latents(canvas.layout, latents))[None]
        return x_0.to(self._execution_device, torch.float32)

    def _loaded_task(self) -> Task:
        if self.task is None:
            raise TaskError("no task is loaded; call load_task with a folder of onepic-train")
        return self.task

    def _check_size(self, canvas: Canvas) -> None:
        width, height = canvas.layout.canvas_size
        native = self.backbone.native_area(self.network.config, self.vae.config, self.scale.factor)
        if (canvas.layout.width, canvas.layout.height) == self._loaded_task().size:
            return  # whatever its size, the adapter has learned it
        if not native / 2 <= width * height <= native * 2:
            warnings.warn(
                f"a canvas of {width} x {height} px is far from the {native} px that the model was "
                "trained on; expect repeated or blurred things",
                stacklevel=4,
            )

    def _embed(self, prompt: str | None) -> dict[str, Tensor]:
        """A prompt's arrays, [1, ...] by name; None is no prompt."""
        device, dtype = self._execution_device, self.network.dtype
        encoders = {part.folder: getattr(self, part.folder) for part in self.backbone.encoders}
        found = self.backbone.embed(encoders, [prompt or ""], device)
        if prompt is None and self.backbone.zero_empty_prompt(self.config):
            found = found.zeros()
        tensors = {name: torch.from_numpy(array) for name, array in found.arrays.items()}
        return {name: one.to(device) for name, one in in_dtype(tensors, dtype).items()}

    def _conditions(self, canvas: Canvas) -> dict[str, Tensor]:
        """What the network is told besides the prompt, [1, ...] by name."""
        size = {"canvas_size": canvas.layout.canvas_size}
        told = self.backbone.conditions([size], self._loaded_task().recipe.fit)
        device = self._execution_device
        return {name: torch.from_numpy(array).to(device) for name, array in told.items()}

    def _step_options(self, generator: Any, eta: float) -> dict[str, Any]:
        """Those of a step's options that this scheduler has."""
        known = inspect.signature(self.scheduler.step).parameters
        options = {"generator": generator, "eta": eta}
        return {name: value for name, value in options.items() if name in known}

    @torch.no_grad()
    def decode_targets(self, canvas: Canvas, filled: Tensor) -> list[dict[str, NDArray[np.uint8]]]:
        """The filled targets by name, uint8 [height, width, 3], for each of the canvas latents.

        Nothing else of the canvas is decoded. `filled` are [N, C, H, W], scaled.
        """
        images: list[dict[str, NDArray[np.uint8]]] = [{} for _ in filled]
        with upcast(self.vae):
            for name, box in canvas.target_boxes():
                pixels = decode_box(self.vae, filled, box, self.scale)
                for image, panel in zip(images, pixels.numpy(), strict=True):
                    image[name] = paste(canvas, name, panel)
        return images


@cache
def class_for(backbone: Backbone) -> type[OnePicPipeline]:
    """The pipeline of another kind of model, under the name that its backbone gives it."""

    def init(self: OnePicPipeline, **parts: Any) -> None:
        OnePicPipeline.__init__(self, **parts)

    body = {"backbone": backbone, "model_cpu_offload_seq": offload_order(backbone)}
    cls = type(backbone.pipelines[0], (OnePicPipeline,), {**body, "__init__": init})
    declare_parts(cls, backbone)
    return cls


declare_parts(OnePicPipeline, OnePicPipeline.backbone)
