"""The operation that hides a part of a picture: the source of inpainting tasks."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from ..narrowed import HIDDEN
from .base import Operation, Picture
from .colour import Colour
from .registry import register


@register
class Erase(Operation):
    """Paint over the part of a picture that a mask marks."""

    name: ClassVar[str] = "erase"

    mask: str = Field(description="The mask column; what it marks is erased.")
    colour: Colour = Field(
        default=HIDDEN,
        description="Colour that is painted: [red, green, blue], a CSS name or #rrggbb.",
    )

    def mask_columns(self) -> tuple[str, ...]:
        """The mask that says what is erased."""
        return (self.mask,)

    def apply(self, picture: Picture) -> Picture:
        """Paint where the mask is set; all other pixels stay exactly as they are."""
        image = picture.image.copy()
        image.paste(self.colour, mask=picture.masks[self.mask])
        return picture.with_image(image)
