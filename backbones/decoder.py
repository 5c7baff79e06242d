"""Latents back to pixels, each part of the canvas alone, as it was encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from ..canvas.layout import Box
from .latents import Scale
from .model import locate_model, weights_variant
from .weights import load_network


def load_vae(name: str, revision: str | None) -> Any:
    """A model's VAE in float32; nothing else of the model is fetched or loaded.

    Raises:
        ModelError: when it cannot be found or loaded.
    """
    folder, _ = locate_model(name, revision, ("vae/*",), "vae")
    variant = weights_variant(name, folder / "vae")
    return load_network(AutoencoderKL, name, folder / "vae", torch.float32, variant)


def decode_box(vae: Any, latents: Tensor, box: Box, factor: int, scale: Scale) -> Tensor:
    """A part of the canvas as pixels.

    Args:
        vae: on the device where it is to compute.
        latents: of canvases, [N, C, H, W], scaled.
        box: in px of the canvas.
        factor: px along a side of a latent cell.
        scale: of the latents.

    Returns:
        uint8 [N, height, width, 3].
    """
    rows, columns = box.divided(factor).slices
    part = latents[:, :, rows, columns] / scale.scaling_factor + scale.shift_factor
    pixels: Tensor = vae.decode(part.to(vae.dtype), return_dict=False)[0].float()
    pixels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu()


@torch.no_grad()
def decode_boxes(
    vae: Any, latents: Tensor, boxes: Sequence[Box], factor: int, scale: Scale
) -> NDArray[np.uint8]:
    """Whole canvases, uint8 [N, H, W, 3], from boxes in px that tile them; else as `decode_box`."""
    count, _, height, width = latents.shape
    canvases = np.zeros((count, height * factor, width * factor, 3), np.uint8)
    for box in boxes:
        canvases[:, *box.slices] = decode_box(vae, latents, box, factor, scale).numpy()
    return canvases
