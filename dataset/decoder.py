"""Latents of whole canvases back to pixels, each part of a canvas alone, as it was encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backbones.latents import Latents
from ..canvas.layout import Box


def decode_box(vae: Any, canvases: Tensor, box: Box, latents: Latents) -> Tensor:
    """A part of some canvases as pixels, uint8 [N, height, width, 3].

    `vae` is on the device where it is to compute; `canvases` are scaled, [N, C, H, W]; the box is
    in px of the canvas.
    """
    rows, columns = box.divided(latents.factor).slices
    return latents.decode(vae, canvases[:, :, rows, columns])


@torch.no_grad()
def decode_boxes(
    vae: Any, canvases: Tensor, boxes: Sequence[Box], latents: Latents
) -> NDArray[np.uint8]:
    """Whole canvases, uint8 [N, H, W, 3], from boxes in px that tile them; else as `decode_box`."""
    count, _, height, width = canvases.shape
    factor = latents.factor
    pixels = np.zeros((count, height * factor, width * factor, 3), np.uint8)
    for box in boxes:
        pixels[:, *box.slices] = decode_box(vae, canvases, box, latents).numpy()
    return pixels
