"""Panels to latents and back, with a model's VAE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: diffusers' own, for VAEs that do not say.
DEFAULT_SCALING = 0.18215


@dataclass(frozen=True)
class Latents:
    """How the latents of a VAE are brought to the size that a network eats.

    `factor` is the px along a side of a latent cell, `channels` the numbers of a cell. From what
    the VAE gives `shift_factor` is subtracted, and the rest multiplied by `scaling_factor`.
    """

    factor: int
    channels: int
    scaling_factor: float
    shift_factor: float

    @classmethod
    def of(cls, vae: Mapping[str, Any]) -> Latents:
        """Those of a VAE, by its settings.

        Raises:
            ValueError: when they are not those of a VAE with one scale for all channels.
        """
        for setting in ("block_out_channels", "latent_channels"):
            if setting not in vae:
                raise ValueError(f"has no {setting!r}; expected the settings of an AutoencoderKL")
        for setting in ("latents_mean", "latents_std"):
            if vae.get(setting):
                raise ValueError(
                    f"has {setting!r}, so each channel is scaled by itself; expected a VAE with "
                    "one scaling_factor"
                )
        return cls(
            factor=2 ** (len(vae["block_out_channels"]) - 1),
            channels=vae["latent_channels"],
            scaling_factor=float(vae.get("scaling_factor", DEFAULT_SCALING)),
            shift_factor=float(vae.get("shift_factor") or 0.0),
        )

    def encode(
        self,
        vae: Any,
        pixels: NDArray[np.uint8],
        seeds: Sequence[int] | None = None,
        device: torch.device | None = None,
    ) -> Tensor:
        """Scaled latents of panels, float32 [B, C, h, w].

        `pixels` are uint8 [B, height, width, 3]. The mean of the VAE's distribution, or with
        `seeds`, one for each panel, a sample of it. `device` is where the VAE computes, if not
        where it is.
        """
        import torch

        with torch.inference_mode():
            batch = torch.tensor(pixels, device=device or vae.device)
            batch = batch.permute(0, 3, 1, 2).to(vae.dtype) / 127.5 - 1
            batch = batch.contiguous(memory_format=torch.channels_last)
            distribution = vae.encode(batch).latent_dist
            latents: Tensor = distribution.mean.float()
            if seeds is not None:
                shape = latents.shape[1:]
                random = [torch.Generator().manual_seed(seed) for seed in seeds]
                noise = torch.stack([torch.randn(shape, generator=one) for one in random])
                latents = latents + distribution.std.float() * noise.to(latents.device)
            return (latents - self.shift_factor) * self.scaling_factor

    def decode(self, vae: Any, latents: Tensor) -> Tensor:
        """Pixels of scaled latents [B, C, h, w]: uint8 [B, height, width, 3], on the CPU."""
        import torch

        part = latents / self.scaling_factor + self.shift_factor
        pixels: Tensor = vae.decode(part.to(vae.dtype), return_dict=False)[0].float()
        pixels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return pixels.permute(0, 2, 3, 1).cpu()


@contextmanager
def in_full(vae: Any) -> Iterator[None]:
    """Let a VAE compute in float32 inside, and in its own dtype again after."""
    import torch

    dtype = vae.dtype
    if dtype == torch.float32:
        yield
        return
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(dtype)
