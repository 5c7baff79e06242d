"""From filled latents to pictures: only the targets are decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..compiler.encoder import Scale
from ..compiler.layout import Box, assemble_pixels
from .canvas import Canvas

#: Px over which a narrowed target fades into the original picture, inside its mask.
FEATHER = 8


@contextmanager
def upcast(vae: Any) -> Iterator[None]:
    """A VAE that overflows in half precision computes in float32 inside."""
    if vae.dtype != torch.float16 or not vae.config.force_upcast:
        yield
        return
    vae.to(torch.float32)
    try:
        yield
    finally:
        vae.to(torch.float16)


def decode_box(vae: Any, filled: Tensor, box: Box, factor: int, scale: Scale) -> Tensor:
    """A part of the canvas as pixels.

    Args:
        vae: on the device where it is to compute.
        filled: canvas latents [N, C, H, W], scaled.
        box: in px of the canvas.
        factor: px along a side of a latent cell.
        scale: of the latents.

    Returns:
        uint8 [N, height, width, 3].
    """
    rows, columns = box.divided(factor).slices
    latents = filled[:, :, rows, columns] / scale.scaling_factor + scale.shift_factor
    pixels: Tensor = vae.decode(latents.to(vae.dtype), return_dict=False)[0].float()
    pixels = ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu()


def paste(canvas: Canvas, panel: str, filled: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A filled panel, uint8 [height, width, 3]; where a mask narrows it, over the original pixels.

    Outside of the mask they stay exactly; inside they fade out over `FEATHER` px.
    """
    if canvas.narrowed is None:
        return filled
    share = feathered(canvas.narrowed)[..., None]
    blended = share * filled + (1 - share) * canvas.panels[panel]
    return np.asarray(blended.round(), np.uint8)


def feathered(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """0 outside of the mask, rising to 1 inside; a panel's border is no edge."""
    if mask.all():
        return np.ones(mask.shape, np.float32)
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(np.clip(distance / FEATHER, 0, 1), np.float32)


def whole_canvas(canvas: Canvas, targets: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The canvas as people see it, uint8 [H, W, 3], with its filled targets."""
    return assemble_pixels(canvas.layout, {**canvas.panels, **targets})
