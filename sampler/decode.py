"""Decoding of filled targets to pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..backbones.latents import in_full
from ..canvas.layout import assemble_pixels
from .canvas import Canvas

#: Px over which a narrowed target fades into the original picture, inside its mask.
FEATHER = 8


def upcast(vae: Any) -> AbstractContextManager[None]:
    """A VAE that overflows in half precision computes in float32 inside."""
    overflows = vae.dtype == torch.float16 and vae.config.force_upcast
    return in_full(vae) if overflows else nullcontext()


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


def in_form(
    canvas: Canvas, decoded: Sequence[Mapping[str, NDArray[np.uint8]]], output_type: str
) -> Any:
    """Filled targets, by name for each filling, in the form that a pipeline was asked for.

    PIL images for ``pil`` and ``canvas``, an array [N, height, width, 3] in 0..1 for ``np``, a
    tensor [N, 3, height, width] for ``pt``; targets of one filling follow each other.
    """
    if output_type == "canvas":
        return [Image.fromarray(whole_canvas(canvas, targets)) for targets in decoded]
    flat = [targets[name] for targets in decoded for name in canvas.targets]
    if output_type == "pil":
        return [Image.fromarray(panel) for panel in flat]
    array = np.stack(flat).astype(np.float32) / 255
    return array if output_type == "np" else torch.from_numpy(array).permute(0, 3, 1, 2)
