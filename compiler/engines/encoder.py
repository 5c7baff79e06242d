"""Panels to latents and prompts to embeddings, with a model's own VAE and text encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ...backbones.latents import in_full
from ...backbones.model import Model
from ...backbones.texts import Embeddings, joined

#: Prompts that are encoded at once.
_BATCH = 16


class Encoder:
    """A model's VAE and text encoders on one device; the text encoders load on first use."""

    def __init__(
        self, model: Model, latent: Literal["mean", "sample"] = "mean", threads: int | None = None
    ) -> None:
        self.model = model
        self.latent = latent
        self.threads = threads
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        half = self.device.type == "cuda" and model.half_is_safe
        self.vae = model.load(model.backbone.vae, torch.float16 if half else torch.float32)
        self.vae.to(self.device, memory_format=torch.channels_last)
        self._text: Mapping[str, Any] | None = None

    def encode_panels(
        self, pixels: NDArray[np.uint8], seeds: Sequence[int]
    ) -> list[NDArray[np.float16] | None]:
        """Latents of a batch of panels, each alone: none sees another panel of its canvas.

        Args:
            pixels: uint8 [B, height, width, 3].
            seeds: one for each panel, used where a sample of the distribution is asked for.

        Returns:
            For each panel float16 [C, height / factor, width / factor], scaled as the network eats
            them, or None where the VAE gives NaN or infinity even in float32.
        """
        self._limit_threads()
        latents = self._encode(pixels, seeds)
        finite = [bool(np.isfinite(latent).all()) for latent in latents]
        results: list[NDArray[np.float16] | None] = list(latents)
        for number, is_finite in enumerate(finite):
            if not is_finite:
                results[number] = self._encode_in_full(pixels[number], seeds[number])
        return results

    def encode_prompts(self, prompts: Sequence[str]) -> Embeddings:
        """Encode prompts, of which there is at least one, with the model's text encoders."""
        self._limit_threads()
        if self._text is None:
            dtype = torch.float16 if self.device.type == "cuda" else torch.float32
            self._text = self.model.load_encoders(dtype, self.device)
        embed = self.model.backbone.embed
        starts = range(0, len(prompts), _BATCH)
        return joined([embed(self._text, prompts[n : n + _BATCH], None) for n in starts])

    def encode_empty_prompt(self) -> Embeddings:
        """The embeddings of no prompt, which are zeros where the model's pipeline says so."""
        empty = self.encode_prompts([""])
        return empty.zeros() if self.model.zero_empty_prompt else empty

    def _limit_threads(self) -> None:
        # OpenMP keeps this number for each calling thread, so setting it once is not enough.
        if self.threads is not None and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)

    def _encode(self, pixels: NDArray[np.uint8], seeds: Sequence[int]) -> NDArray[np.float16]:
        noise_seeds = seeds if self.latent == "sample" else None
        latents = self.model.latents.encode(self.vae, pixels, noise_seeds)
        array: NDArray[np.float16] = latents.half().cpu().contiguous().numpy()
        return array

    def _encode_in_full(self, pixels: NDArray[np.uint8], seed: int) -> NDArray[np.float16] | None:
        if self.vae.dtype == torch.float32:
            return None
        with in_full(self.vae):
            latent = self._encode(pixels[None], [seed])[0]
        return latent if np.isfinite(latent).all() else None
