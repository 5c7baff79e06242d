"""Operations on the original pixels, which change a picture's size and its masks' alike."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from ...common.errors import RowError
from ..fitting import resize
from ..pictures.images import MIN_SIDE, Size
from .base import Operation, Picture
from .registry import register


@register
class Resize(Operation):
    """Scale a picture; with only one side given, the other follows from the aspect."""

    name: ClassVar[str] = "resize"
    version: ClassVar[int] = 2
    stage: ClassVar[Literal["geometry", "pixels"]] = "geometry"

    width: int | None = Field(default=None, ge=MIN_SIDE, le=16384, description="New width, px.")
    height: int | None = Field(default=None, ge=MIN_SIDE, le=16384, description="New height, px.")

    @model_validator(mode="after")
    def _check_sides(self) -> Resize:
        if self.width is None and self.height is None:
            raise ValueError("resize needs a width, a height or both")
        return self

    def apply(self, picture: Picture) -> Picture:
        """Scale the image (Lanczos, or to the nearest) and its masks (by majority)."""
        size = self._new_size(picture.image.size)
        return picture.map(lambda image: resize(image, size, nearest=picture.nearest))

    def _new_size(self, size: Size) -> Size:
        width, height = size
        new_width = self.width or max(1, round(width * (self.height or 0) / height))
        new_height = self.height or max(1, round(height * new_width / width))
        return new_width, new_height


@register
class CropToMask(Operation):
    """Keep the box around what a mask marks, with a margin."""

    name: ClassVar[str] = "crop_to_mask"
    stage: ClassVar[Literal["geometry", "pixels"]] = "geometry"

    mask: str = Field(description="The mask column; the box around what it marks is kept.")
    margin: float = Field(
        default=0.1, ge=0, le=10, description="Margin on each side, as a share of the box's side."
    )

    def mask_columns(self) -> tuple[str, ...]:
        """The mask that says what is kept."""
        return (self.mask,)

    def apply(self, picture: Picture) -> Picture:
        """Crop the image and its masks to the box, which never leaves the picture.

        Raises:
            RowError: when the mask is empty or the box is too small (stage ``mask``).
        """
        found = picture.masks[self.mask].getbbox()
        if found is None:
            raise RowError("mask", f"mask {self.mask} marks nothing that crop_to_mask could keep")
        box = self._with_margin(found, picture.image.size)
        width, height = box[2] - box[0], box[3] - box[1]
        if min(width, height) < MIN_SIDE:
            found_size = f"{width}x{height} px around mask {self.mask}"
            raise RowError("mask", f"{found_size} are too few; expected {MIN_SIDE} px a side")
        return picture.map(lambda image: image.crop(box))

    def _with_margin(self, box: tuple[int, int, int, int], size: Size) -> tuple[int, int, int, int]:
        left, top, right, bottom = box
        across, down = round((right - left) * self.margin), round((bottom - top) * self.margin)
        return (
            max(0, left - across),
            max(0, top - down),
            min(size[0], right + across),
            min(size[1], bottom + down),
        )
