"""SDXL's micro-conditioning: the sizes that the U-Net is told besides the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TimeIds = tuple[int, int, int, int, int, int]


def size_conditions(
    samples: Sequence[Mapping[str, Any]], fit: str
) -> dict[str, NDArray[np.float32]]:
    """`time_ids`, float32 [B, 6], of B samples by their JSON.

    Of a canvas that is to be filled, the JSON has the size alone.
    """
    return {"time_ids": np.array([time_ids(sample, fit) for sample in samples], np.float32)}


def time_ids(sample: Mapping[str, Any], fit: str) -> TimeIds:
    """SDXL's six sizes of a sample: original, crop and target, each with height before width.

    `sample` is its JSON, `fit` how its recipe brings an image into a panel. The target size is the
    canvas's, and nothing of a canvas is cropped away. The original size is the one that the canvas
    would have had if its target panel showed the image's own pixels: where 128 px of a picture fill
    512 px of a panel, a quarter of the canvas's. So the model learns sharpness from sharp targets
    only, as SDXL did.
    """
    width, height = sample["canvas_size"]
    across, down = _magnification(sample)
    if fit == "contain":  # the image fills one side of its panel
        across = down = min(across, down)
    return round(height / down), round(width / across), 0, 0, height, width


def _magnification(sample: Mapping[str, Any]) -> tuple[float, float]:
    """How many px of the canvas a px of the target's image became, across and down."""
    targets = sample.get("target_boxes", ())
    for panel in sample.get("panels", {}).values():
        if panel["boxes"][0] in targets and panel["crop"] is not None:
            left, top, right, bottom = panel["crop"]
            _, _, width, height = panel["boxes"][0]
            if right > left and bottom > top:
                return width / (right - left), height / (bottom - top)
    return 1.0, 1.0
