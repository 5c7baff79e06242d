"""JPEGs, decoded by a decoder that says when the data of its pixels are damaged.

libjpeg fills what it cannot decode with grey and goes on, and Pillow has no way to ask whether it
did. simplejpeg does: it is the same libjpeg-turbo, gives the same pixels, and takes no longer.
"""

from __future__ import annotations

import re

import numpy as np
import simplejpeg
from PIL import Image

#: What libjpeg says when pixels are lost, in any file that it can open.
_LOST = re.compile(
    r"premature end|bad huffman code|bad arithmetic code|instead of RST|inconsistent progression",
    re.IGNORECASE,
)
_LEFT = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
#: Bytes that some cameras leave between parts of a sound picture. Of 529 damaged files that had
#: bytes left at their end, two had so few.
_FEW_BYTES = 16
#: Markers that stand before a picture's data; what lies before them is no part of it.
_HEAD = {"c0", "c1", "c2", "db", "dd", "fe", *(f"e{digit:x}" for digit in range(16))}
_COLOURS = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


class StrangeJpegError(ValueError):
    """The decoder objects to a JPEG in a way that does not tell whether its pixels are damaged."""


def decode_jpeg(data: bytes, image: Image.Image, factor: int = 1) -> Image.Image:
    """Decode the first picture of a JPEG file as Pillow does, or refuse it.

    Args:
        data: the whole file; what stands behind the picture does not matter.
        image: the file as Pillow opened it, not loaded; its mode is that of the result.
        factor: 1, 2, 4 or 8, by which the picture comes smaller, rounded up, and much faster.

    Raises:
        ValueError: when pixels are lost.
        StrangeJpegError: when that is uncertain.
    """
    if image.mode not in _COLOURS:
        raise StrangeJpegError(f"pixels of the mode {image.mode}")
    width, height = (side // factor if factor > 1 else 0 for side in image.size)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, colorspace=_COLOURS[image.mode], min_width=width, min_height=height
        )
    except ValueError as error:
        if _is_lost(str(error)):
            raise
        raise StrangeJpegError(_LEFT.sub(r"bytes left before marker 0x\2", str(error))) from error
    if image.mode == "CMYK":
        pixels = np.invert(pixels)  # files hold it inverted, as Adobe began to
    return Image.fromarray(pixels[..., 0] if image.mode == "L" else pixels, image.mode)


def _is_lost(warning: str) -> bool:
    if left := _LEFT.search(warning):
        return int(left[1]) > _FEW_BYTES and left[2] not in _HEAD
    return bool(_LOST.search(warning))
