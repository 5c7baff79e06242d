"""Operations that change colours only, and the way recipes write a colour."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from PIL import ImageColor, ImageOps
from pydantic import BeforeValidator, Field

from .base import Operation, Picture
from .registry import register


def read_colour(value: Any) -> Any:
    """Turn a CSS name or ``#rrggbb`` into (red, green, blue); leave anything else as it is.

    Raises:
        ValueError: when the text is no colour.
    """
    return ImageColor.getrgb(value)[:3] if isinstance(value, str) else value


Channel = Annotated[int, Field(ge=0, le=255)]
#: (red, green, blue), 0..255; recipes may also give a CSS name or ``#rrggbb``.
Colour = Annotated[
    tuple[Channel, Channel, Channel],
    BeforeValidator(read_colour, json_schema_input_type=str | tuple[Channel, Channel, Channel]),
]


@register
class Grayscale(Operation):
    """Keep the luminance (ITU-R 601) and drop the colour; the picture stays RGB."""

    name: ClassVar[str] = "grayscale"

    def apply(self, picture: Picture) -> Picture:
        """Give red, green and blue of each pixel its luminance."""
        return picture.with_image(picture.image.convert("L").convert("RGB"))


@register
class Invert(Operation):
    """The negative of a picture: each value becomes 255 minus itself."""

    name: ClassVar[str] = "invert"

    def apply(self, picture: Picture) -> Picture:
        """Invert all three channels."""
        return picture.with_image(ImageOps.invert(picture.image))
