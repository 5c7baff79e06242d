"""OnePicPipeline: fills the target panels of a canvas, with the habits of diffusers' pipelines."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..backbones.decoder import decode_box
from ..backbones.latents import embed_prompts, encode_pixels
from ..canvas.layout import assemble_latents
from ..canvas.row import ImageValue, Value
from ..common.errors import TaskError
from ..trainer.adapter import cast
from ..trainer.export import load_trained
from .canvas import Canvas, make_canvas
from .decode import paste, upcast, whole_canvas
from .denoise import denoise
from .guidance import Guidance
from .network import GuidedNetwork
from .task import Task, open_task

OUTPUT_TYPES = ("pil", "np", "pt", "latent", "canvas")


@dataclass
class OnePicPipelineOutput(BaseOutput):  # type: ignore[misc]
    """What the pipeline made.

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

    Schedulers, offloading, VAE slicing and tiling, and callbacks are those of every pipeline.
    """

    model_cpu_offload_seq = "text_encoder->text_encoder_2->unet->vae"
    _callback_tensor_inputs = ("latents",)

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        text_encoder_2: CLIPTextModelWithProjection,
        tokenizer: CLIPTokenizer,
        tokenizer_2: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: Any,
        force_zeros_for_empty_prompt: bool = True,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer_2,
            unet=unet,
            scheduler=scheduler,
        )
        self.register_to_config(force_zeros_for_empty_prompt=force_zeros_for_empty_prompt)
        self.vae_scale_factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.task: Task | None = None

    def load_task(
        self, place: str | Path, task: str | None = None, revision: str | None = None
    ) -> None:
        """Load an adapter and its task card, in place of the ones before.

        Args:
            place: a folder that onepic-train left, or USER/NAME on the Hub.
            task: which one, where the adapter has several.
            revision: branch, tag or commit on the Hub.

        Raises:
            TaskError: when there is no such task, or the base model's weights are gone.
            SettingsError: when the adapter was trained on another U-Net.
        """
        found = open_task(place, task, revision)
        latents = self.unet.config.in_channels, self.vae_scale_factor
        if (found.channels, found.factor) != latents:
            raise TaskError(
                f"{found.folder}: trained on {found.base}, of which a latent cell has "
                f"{found.channels} channels and {found.factor} px; this pipeline's has "
                f"{latents[0]} and {latents[1]}; load {found.base}"
            )
        if found.kind != "full":  # which needs nothing of the U-Net before
            self._check_base_is_there()
        self._put_on(found)

    def unload_task(self) -> None:
        """Take the adapter off, so that the U-Net is the base model's again.

        Raises:
            TaskError: when the task had trained all weights: the base model's are gone.
        """
        self._check_base_is_there()
        self._take_off()
        self.task = None

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Save the pipeline's components, as every pipeline does; a task stays in its own folder.

        Raises:
            TaskError: when an adapter is on the U-Net: diffusers could not load what it writes.
        """
        if getattr(self.unet, "peft_config", None):
            raise TaskError("an adapter is on the U-Net; call unload_task before save_pretrained")
        super().save_pretrained(save_directory, **options)

    def _check_base_is_there(self) -> None:
        if self.task is not None and self.task.kind == "full":
            raise TaskError(
                f"{self.task.folder} took the place of the whole U-Net; load the pipeline anew "
                f"from {self.task.base}"
            )

    def _put_on(self, task: Task) -> None:
        """Exchange the weights for a task's; when they do not fit, those from before stay."""
        before, dtype = self.task, self.unet.dtype
        self._take_off()
        try:
            load_trained(self.unet, task.folder)
        except BaseException:
            self._take_off()
            cast(self.unet.parameters(), dtype)
            if before is not None and before.kind != "full":
                self.task = None
                load_trained(self.unet, before.folder)
                self.task = before
            raise
        self.task = task

    def _take_off(self) -> None:
        if getattr(self.unet, "peft_config", None):
            self.unet.unload_lora()

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
            self.unet,
            m,
            canvas.layout.canvas_size,
            (self._embed(canvas.prompt), self._embed(negative_prompt)),
            guidance,
        )
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        noise = self._noise((num_images_per_prompt, *x_0.shape[1:]), generator, latents)
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
                noise * self.scheduler.init_noise_sigma,
                self.scheduler,
                network,
                self._step_options(generator, eta),
                after_step,
            )
        made = filled if output_type == "latent" else self._finish(canvas, filled, output_type)
        self.maybe_free_model_hooks()
        return OnePicPipelineOutput(images=made) if return_dict else (made,)

    def encode_context(self, canvas: Canvas) -> Tensor:
        """The canvas with its known panels, float32 [1, C, H, W]; zeros where nothing is known.

        Each panel is encoded alone and rounded to float16, as the compiler does, and without what
        is to be filled of it.
        """
        channels = self.vae.config.latent_channels
        box = canvas.layout.boxes(canvas.targets[0])[0].divided(self.vae_scale_factor)
        unknown = np.zeros((channels, box.height, box.width), np.float16)
        latents = dict.fromkeys(canvas.layout.panels, unknown)
        context = canvas.context
        names = [name for name in canvas.layout.panels if name in context]
        pixels = np.stack([context[name] for name in names])
        with upcast(self.vae):
            encoded = encode_pixels(
                self.vae, pixels, self, canvas.noise_seeds(pixels), self._execution_device
            )
        latents |= dict(zip(names, encoded.half().cpu().numpy(), strict=True))
        x_0 = torch.from_numpy(assemble_latents(canvas.layout, latents))[None]
        return x_0.to(self._execution_device, torch.float32)

    @property
    def scaling_factor(self) -> float:
        """What latents are multiplied by."""
        return float(self.vae.config.scaling_factor)

    @property
    def shift_factor(self) -> float:
        """What is subtracted from latents before."""
        return float(self.vae.config.get("shift_factor") or 0.0)

    def _loaded_task(self) -> Task:
        if self.task is None:
            raise TaskError("no task is loaded; call load_task with a folder of onepic-train")
        return self.task

    def _check_size(self, canvas: Canvas) -> None:
        width, height = canvas.layout.canvas_size
        native = (self.unet.config.sample_size * self.vae_scale_factor) ** 2
        if (canvas.layout.width, canvas.layout.height) == self._loaded_task().size:
            return  # whatever its size, the adapter has learned it
        if not native / 2 <= width * height <= native * 2:
            warnings.warn(
                f"a canvas of {width} x {height} px is far from the {native} px that the model was "
                "trained on; expect repeated or blurred things",
                stacklevel=4,
            )

    def _embed(self, prompt: str | None) -> tuple[Tensor, Tensor]:
        """A prompt's hidden states [1, 77, D] and pooled embedding [1, P]; None is no prompt."""
        device, dtype = self._execution_device, self.unet.dtype
        pairs = [(self.tokenizer, self.text_encoder), (self.tokenizer_2, self.text_encoder_2)]
        found = embed_prompts(pairs, [prompt or ""], device)
        hidden, pooled = (
            torch.from_numpy(x).to(device, dtype) for x in (found.hidden, found.pooled)
        )
        if prompt is None and self.config.force_zeros_for_empty_prompt:
            return torch.zeros_like(hidden), torch.zeros_like(pooled)
        return hidden, pooled

    def _noise(self, shape: tuple[int, ...], generator: Any, latents: Tensor | None) -> Tensor:
        """Unit normal noise, float32 [N, C, H, W]; `latents` if they are given."""
        device = self._execution_device
        if isinstance(generator, list) and len(generator) != shape[0]:
            raise ValueError(f"{len(generator)} generators for {shape[0]} images; give one each")
        if latents is None:
            noise: Tensor = randn_tensor(shape, generator, device, torch.float32)
            return noise
        if tuple(latents.shape) != shape:
            raise ValueError(f"latents of {tuple(latents.shape)}; expected {shape}")
        return latents.to(device, torch.float32)

    def _step_options(self, generator: Any, eta: float) -> dict[str, Any]:
        """Those of a step's options that this scheduler has."""
        known = inspect.signature(self.scheduler.step).parameters
        options = {"generator": generator, "eta": eta}
        return {name: value for name, value in options.items() if name in known}

    def _finish(self, canvas: Canvas, filled: Tensor, output_type: str) -> Any:
        """Decode the targets, and nothing else, and put them into the form that is asked for."""
        decoded = self.decode_targets(canvas, filled)
        if output_type == "canvas":
            return [Image.fromarray(whole_canvas(canvas, targets)) for targets in decoded]
        flat = [targets[name] for targets in decoded for name in canvas.targets]
        if output_type == "pil":
            return [Image.fromarray(panel) for panel in flat]
        array = np.stack(flat).astype(np.float32) / 255
        return array if output_type == "np" else torch.from_numpy(array).permute(0, 3, 1, 2)

    @torch.no_grad()
    def decode_targets(self, canvas: Canvas, filled: Tensor) -> list[dict[str, NDArray[np.uint8]]]:
        """The filled targets by name, uint8 [height, width, 3], for each of the canvas latents.

        Nothing else of the canvas is decoded. `filled` are [N, C, H, W], scaled.
        """
        images: list[dict[str, NDArray[np.uint8]]] = [{} for _ in filled]
        with upcast(self.vae):
            for name, box in canvas.target_boxes():
                pixels = decode_box(self.vae, filled, box, self.vae_scale_factor, self)
                for image, panel in zip(images, pixels.numpy(), strict=True):
                    image[name] = paste(canvas, name, panel)
        return images
