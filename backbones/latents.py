"""Pixels to latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .embeddings import Embeddings


class Scale(Protocol):
    """How a VAE's latents are brought to the size that the U-Net eats; a `Model` is one."""

    @property
    def scaling_factor(self) -> float:
        """What they are multiplied by."""

    @property
    def shift_factor(self) -> float:
        """What is subtracted before."""


@torch.inference_mode()
def encode_pixels(
    vae: Any,
    pixels: NDArray[np.uint8],
    scale: Scale,
    seeds: Sequence[int] | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """Scaled latents of panels, float32 [B, C, h, w].

    `pixels` are uint8 [B, height, width, 3]. The mean of the VAE's distribution, or with `seeds`,
    one for each panel, a sample of it. `device` is where the VAE computes, if not where it is.
    """
    batch = torch.tensor(pixels, device=device or vae.device)
    batch = batch.permute(0, 3, 1, 2).to(vae.dtype) / 127.5 - 1
    batch = batch.contiguous(memory_format=torch.channels_last)
    distribution = vae.encode(batch).latent_dist
    latents: Tensor = distribution.mean.float()
    if seeds is not None:
        shape = latents.shape[1:]
        noise = [torch.randn(shape, generator=torch.Generator().manual_seed(s)) for s in seeds]
        latents = latents + distribution.std.float() * torch.stack(noise).to(latents.device)
    return (latents - scale.shift_factor) * scale.scaling_factor


@torch.inference_mode()
def embed_prompts(
    pairs: Sequence[tuple[Any, Any]], prompts: Sequence[str], device: torch.device | None = None
) -> Embeddings:
    """Encode prompts as one batch, with SDXL's two pairs of tokenizer and text encoder.

    `device` is where the encoders compute, if not where they are.
    """
    states, cut = [], [False] * len(prompts)
    for tokenizer, encoder in pairs:
        limit = tokenizer.model_max_length
        lengths = [len(ids) for ids in tokenizer(list(prompts), verbose=False).input_ids]
        cut = [before or length > limit for before, length in zip(cut, lengths, strict=True)]
        tokens = tokenizer(
            list(prompts),
            padding="max_length",
            max_length=limit,
            truncation=True,
            return_tensors="pt",
        )
        output = encoder(tokens.input_ids.to(device or encoder.device), output_hidden_states=True)
        states.append(output.hidden_states[-2])
    hidden = torch.cat(states, dim=-1).half().cpu().numpy()
    return Embeddings(hidden, output.text_embeds.half().cpu().numpy(), cut)
