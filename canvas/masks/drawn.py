"""Masks of a recipe by name: how a column is read, or what is drawn in its place.

Boxes, brush strokes and borders are drawn, another for each row.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from ...common.named import Named, Notation, dump_named
from ..pictures.images import Size
from .options import ReadMask

Share = Annotated[float, Field(gt=0, lt=1)]


class DrawnMask(Named):
    """Draws a mask of a panel's size."""

    def draw(self, size: Size, rng: np.random.Generator) -> Image.Image:
        """Mode L, 255 where it marks and 0 elsewhere; never empty."""
        raise NotImplementedError


class BoxMask(DrawnMask):
    """A rectangle somewhere in the panel."""

    name: ClassVar[str] = "box"

    smallest: Share = Field(default=0.1, description="Least share of the panel's area.")
    largest: Share = Field(default=0.4, description="Greatest share of the panel's area.")

    @model_validator(mode="after")
    def _check_order(self) -> BoxMask:
        if self.smallest > self.largest:
            raise ValueError(f"smallest {self.smallest} is above largest {self.largest}")
        return self

    def draw(self, size: Size, rng: np.random.Generator) -> Image.Image:
        """A box between half and twice as wide, for its height, as the panel."""
        area = rng.uniform(self.smallest, self.largest)
        stretch = math.sqrt(2) ** rng.uniform(-1, 1)
        shares = min(1.0, math.sqrt(area) * stretch), min(1.0, math.sqrt(area) / stretch)
        width, height = (
            max(1, round(side * share)) for side, share in zip(size, shares, strict=True)
        )
        left = int(rng.integers(0, size[0] - width + 1))
        top = int(rng.integers(0, size[1] - height + 1))
        mask = Image.new("L", size)
        mask.paste(255, (left, top, left + width, top + height))
        return mask


class BrushMask(DrawnMask):
    """Strokes of a round brush, as someone would paint over what is to go."""

    name: ClassVar[str] = "brush"

    strokes: int = Field(default=4, ge=1, le=32, description="Greatest number of strokes.")
    width: Share = Field(
        default=0.15, description="Width of the brush, as a share of the shorter side."
    )

    def draw(self, size: Size, rng: np.random.Generator) -> Image.Image:
        """One to `strokes` lines with some bends each."""
        mask = Image.new("L", size)
        draw = ImageDraw.Draw(mask)
        for _ in range(int(rng.integers(1, self.strokes + 1))):
            self._stroke(draw, size, rng)
        return mask

    def _stroke(self, draw: ImageDraw.ImageDraw, size: Size, rng: np.random.Generator) -> None:
        shorter = min(size)
        width = max(2.0, shorter * self.width * rng.uniform(0.6, 1.0))
        point, angle = rng.uniform((0, 0), size), rng.uniform(0, 2 * math.pi)
        for _ in range(int(rng.integers(2, 6))):
            angle += rng.uniform(-1, 1)
            onwards = point + shorter * rng.uniform(0.08, 0.25) * np.array(
                [math.cos(angle), math.sin(angle)]
            )
            draw.line([*point, *onwards], fill=255, width=round(width))
            for end in (point, onwards):
                draw.ellipse([*(end - width / 2), *(end + width / 2)], fill=255)
            point = np.clip(onwards, 0, size)


class BorderMask(DrawnMask):
    """A border around the picture: one side of the panel or several, for outpainting."""

    name: ClassVar[str] = "border"

    smallest: Share = Field(
        default=0.15, description="Least width of the border on a side, as a share of it."
    )
    largest: Share = Field(
        default=0.4, description="Greatest width of the border on a side, as a share of it."
    )

    @model_validator(mode="after")
    def _check_order(self) -> BorderMask:
        if not self.smallest <= self.largest < 0.5:
            raise ValueError(
                f"smallest {self.smallest} and largest {self.largest} must rise and stay below 0.5"
            )
        return self

    def draw(self, size: Size, rng: np.random.Generator) -> Image.Image:
        """One to four sides, each of a width of its own."""
        count = int(rng.integers(1, 5))
        sides = set(rng.permutation(4)[:count].tolist())
        widths = rng.uniform(self.smallest, self.largest, 4)
        left, top, right, bottom = (
            max(1, round(size[side % 2] * widths[side])) if side in sides else 0
            for side in range(4)
        )
        mask = Image.new("L", size, 255)
        mask.paste(0, (left, top, size[0] - right, size[1] - bottom))
        return mask


#: by the names that recipes write
DRAWN_MASKS: dict[str, type[DrawnMask]] = {
    kind.name: kind for kind in (BoxMask, BrushMask, BorderMask)
}

#: all that recipes say of masks, by the names that they write
MASKS: dict[str, type[DrawnMask | ReadMask]] = {**DRAWN_MASKS, ReadMask.name: ReadMask}

#: How recipes write them.
NOTATION = Notation[DrawnMask | ReadMask](MASKS, "a", "mask", ("brush", "{read: {labels: [1]}}"))
AnyMask = Annotated[
    DrawnMask | ReadMask, BeforeValidator(NOTATION.read), PlainSerializer(dump_named), NOTATION
]
