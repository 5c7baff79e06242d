"""The numbers, colours and opacity that stand in a mask's file, before they mean anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Numbers = NDArray[Any]  # [H, W], of any type of number
Colours = NDArray[np.uint8]  # [H, W, 3]

#: Colours up to which they are counted.
FEW_COLOURS = 16
#: How far the channels of a grey may be apart where many colours show that a file was compressed.
_GREY_NOISE = 8
#: What white is in files whose kind of number does not say it: 8 or 16 bits, and floats from 0.
_WHITES = {"integer": (255, 65535), "float": (1, 255, 65535)}


@dataclass(frozen=True)
class Greys:
    """Grey values [H, W], and the value that stands for white."""

    values: Numbers
    white: float


def is_layer(image: Image.Image) -> bool:
    """Whether parts of an image can be transparent; of 16 bits and floats no reader says it."""
    return image.has_transparency_data and not image.mode.startswith(("I", "F"))


def alpha_of(image: Image.Image) -> NDArray[np.uint8] | None:
    """Opacity, uint8 [H, W], 255 is opaque; None where all of the image is equally visible."""
    if not is_layer(image):
        return None
    alpha = image.convert("RGBA").getchannel("A")
    least, most = alpha.getextrema()
    return None if least == most != 0 else np.asarray(alpha)


def greys_of(image: Image.Image) -> Greys | None:
    """The grey values, apart from opacity; None where the image shows colours."""
    if image.mode == "1":
        return Greys(np.asarray(image).astype(np.uint8), 1)
    if image.mode in ("L", "LA"):
        return Greys(np.asarray(image.getchannel(0)), 255)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        return Greys(values, _white_of(values))
    shown = image.convert("RGB")
    if (colours := _few_colours(shown)) is not None:
        is_grey = all(red == green == blue for red, green, blue in colours)
        return Greys(np.asarray(shown.getchannel(0)), 255) if is_grey else None
    spread = np.ptp(np.asarray(shown), axis=2)
    return Greys(np.asarray(shown.convert("L")), 255) if spread.max() <= _GREY_NOISE else None


def numbers_of(image: Image.Image) -> Numbers | None:
    """A number for each pixel: a palette's index or a grey value; None where it is a colour."""
    if image.mode == "P":
        return np.asarray(image)
    greys = greys_of(image)
    return None if greys is None else greys.values


def colours_of(image: Image.Image) -> Colours:
    """The colours that are seen, apart from opacity."""
    return np.asarray(image.convert("RGB"))


def levels_of(image: Image.Image) -> Numbers:
    """Values to compare with a threshold: greys, or luminance; transparent parts are black."""
    if is_layer(image):
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, image.convert("RGBA")).convert("L"))
    greys = greys_of(image)
    return np.asarray(image.convert("L")) if greys is None else greys.values


def colour_names(image: Image.Image) -> list[str]:
    """The colours of an image as ``#ff0000`` and so on, from black; none where there are many."""
    return sorted(hex_of(colour) for colour in _few_colours(image.convert("RGB")) or ())


def hex_of(colour: Iterable[int]) -> str:
    """A colour (red, green, blue) as ``#ff0000``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def distinct(values: Numbers) -> Sequence[float]:
    """The values that there are, rising; whole numbers are of type int."""
    if values.dtype == np.uint8:
        counts = cv2.calcHist([values], [0], None, [256], [0, 256])
        return [int(value) for value in np.flatnonzero(counts)]
    return list(np.unique(values).tolist())


def listed(values: Iterable[object], most: int = 6) -> str:
    """``1, 2 and 7``; of more than `most` the first, and how many others there are."""
    texts = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    if len(texts) > most:
        texts = [*texts[: most - 1], f"{len(texts) - most + 1} others"]
    return " and ".join([", ".join(texts[:-1]), texts[-1]]) if len(texts) > 1 else texts[0]


def _few_colours(image: Image.Image) -> list[tuple[int, int, int]] | None:
    """The colours of an RGB image; None where there are many."""
    counted: Any = image.getcolors(FEW_COLOURS)  # Pillow types it for images of any mode
    return None if counted is None else [colour for _, colour in counted]


def _white_of(values: Numbers) -> float:
    """The least usual white that no value is above."""
    whites = _WHITES["float" if values.dtype.kind == "f" else "integer"]
    most = float(values.max())
    return next((white for white in whites if most <= white), most)
