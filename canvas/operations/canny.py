"""The operation that draws a picture's edges, exactly at its own resolution."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from .annotators import detector_class
from .base import Operation, Picture, failing_one_row
from .registry import register

#: controlnet-aux scales its input until both sides are multiples of this, unless they are.
MULTIPLE = 64


@register
class Canny(Operation):
    """Edges by Canny's detector: white lines, one pixel wide, on black."""

    name: ClassVar[str] = "canny"

    low: int = Field(
        default=100, ge=0, le=2000, description="Gradient below which nothing is an edge."
    )
    high: int = Field(
        default=200,
        ge=0,
        le=2000,
        description="Gradient above which everything is an edge; "
        "between the two only what touches an edge is one.",
    )

    @model_validator(mode="after")
    def _check_order(self) -> Canny:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) must not be above high ({self.high})")
        return self

    def apply(self, picture: Picture) -> Picture:
        """Detect on the picture's own pixels: padded to a size that is not scaled, then cut back.

        Raises:
            RowError: when the detector fails (stage ``operation``).
        """
        width, height = picture.image.size
        padded = _pad(np.asarray(picture.image))
        resolution = min(padded.shape[:2])
        with failing_one_row(self.name):
            edges = detector_class("CannyDetector")()(
                padded,
                low_threshold=self.low,
                high_threshold=self.high,
                detect_resolution=resolution,
                image_resolution=resolution,
            )
            if edges.shape != padded.shape:
                raise ValueError(f"controlnet-aux made {edges.shape} out of {padded.shape}")
        return picture.with_image(Image.fromarray(edges[:height, :width].copy()))


def _pad(pixels: np.ndarray) -> np.ndarray:  # [height, width, 3] -> multiples of MULTIPLE
    # Repeated edges have no gradient across the border, so that padding adds no line of its own.
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="edge")
