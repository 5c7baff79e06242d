"""Pixels to latents and prompts to embeddings, with a model's own VAE and text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ...backbones.embeddings import Embeddings
from ...backbones.latents import embed_prompts, encode_pixels
from ...backbones.model import Model
from ...backbones.weights import load_component, load_network


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
        dtype = torch.float16 if half else torch.float32
        self.vae = load_network(
            AutoencoderKL, model.name, model.folder / "vae", dtype, model.variant
        )
        self.vae.to(self.device, memory_format=torch.channels_last)
        self._text: list[tuple[Any, Any]] = []

    def encode_panels(
        self, pixels: NDArray[np.uint8], seeds: Sequence[int]
    ) -> list[NDArray[np.float16] | None]:
        """Latents of a batch of panels, each alone: none sees another panel of its canvas.

        Args:
            pixels: uint8 [B, height, width, 3].
            seeds: one for each panel, used where a sample of the distribution is asked for.

        Returns:
            For each panel float16 [C, height / factor, width / factor], scaled as the U-Net eats
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
        """Both encoders' penultimate hidden states side by side, and the second's pooled output."""
        self._limit_threads()
        self._text = self._text or self._load_text()
        hidden, pooled, cut = [], [], []
        for start in range(0, len(prompts), 16):
            batch = embed_prompts(self._text, prompts[start : start + 16])
            hidden.append(batch.hidden)
            pooled.append(batch.pooled)
            cut.extend(batch.cut)
        return Embeddings(np.concatenate(hidden), np.concatenate(pooled), cut)

    def encode_empty_prompt(self) -> Embeddings:
        """The embeddings of no prompt, which are zeros where the model's pipeline says so."""
        empty = self.encode_prompts([""])
        if not self.model.zero_empty_prompt:
            return empty
        return Embeddings(np.zeros_like(empty.hidden), np.zeros_like(empty.pooled), empty.cut)

    def _limit_threads(self) -> None:
        # OpenMP keeps this number for each calling thread, so setting it once is not enough.
        if self.threads is not None and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)

    def _encode(self, pixels: NDArray[np.uint8], seeds: Sequence[int]) -> NDArray[np.float16]:
        noise_seeds = seeds if self.latent == "sample" else None
        latents = encode_pixels(self.vae, pixels, self.model, noise_seeds)
        array: NDArray[np.float16] = latents.half().cpu().contiguous().numpy()
        return array

    def _encode_in_full(self, pixels: NDArray[np.uint8], seed: int) -> NDArray[np.float16] | None:
        dtype = self.vae.dtype
        if dtype == torch.float32:
            return None
        self.vae.to(torch.float32)
        latent = self._encode(pixels[None], [seed])[0]
        self.vae.to(dtype)
        return latent if np.isfinite(latent).all() else None

    def _load_text(self) -> list[tuple[Any, Any]]:
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        name, folder = self.model.name, self.model.folder
        classes = (CLIPTextModel, CLIPTextModelWithProjection)
        pairs = []
        for cls, suffix in zip(classes, ("", "_2"), strict=True):
            tokenizer = load_component(CLIPTokenizer, name, folder / f"tokenizer{suffix}")
            encoder = load_network(
                cls, name, folder / f"text_encoder{suffix}", dtype, self.model.variant
            )
            pairs.append((tokenizer, encoder.to(self.device)))
        return pairs
