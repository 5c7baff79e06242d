"""Masks that a preset makes of a download's files, brought to the size of their picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from ...errors import RowError
from ...fitting import of_one_shape
from ...images import FORMATS, Size, threshold
from ..places import open_place, reason_of


def read_labels(place: str) -> NDArray[np.uint8]:
    """The label of each pixel, [height, width], of a PNG with a palette or in grey.

    Raises:
        RowError: when it cannot be read, or has colours instead of labels.
    """
    image = _open(place)
    if image.mode not in ("P", "L"):
        reason = f"has pixels of the mode {image.mode}; expected one label for each pixel"
        raise RowError("decode", f"{place}: {reason}")
    return np.asarray(image)


def mask_of_labels(place: str, labels: Sequence[int]) -> Image.Image:
    """Mode L: 255 where a label map has one of `labels`, 0 elsewhere.

    Raises:
        RowError: when the map cannot be read, or has none of them.
    """
    found = np.isin(read_labels(place), labels)
    if not found.any():
        numbers = " or ".join(map(str, labels))
        raise RowError("mask", f"{place}: no pixel has the label {numbers} of the garment")
    return Image.fromarray(np.where(found, np.uint8(255), np.uint8(0)))


def mask_of_erased(place: str) -> Image.Image:
    """Mode L: 255 where a copy of a picture is erased, that is transparent, 0 elsewhere.

    A file in black and white, without transparent parts, is taken for the mask itself.

    Raises:
        RowError: when the file cannot be read, or is a picture of which nothing is erased.
    """
    red, green, blue, alpha = _open(place).convert("RGBA").split()
    erased = threshold(ImageChops.invert(alpha))
    if erased.getbbox():
        return erased
    if ImageChops.difference(red, green).getbbox() or ImageChops.difference(red, blue).getbbox():
        reason = "nothing of it is transparent, and it is not black and white; expected a mask"
        raise RowError("mask", f"{place}: {reason}")
    return threshold(red)


def widen(mask: Image.Image, distance: int) -> Image.Image:
    """The mask, and all that is no more than `distance` px away from it."""
    outside = np.where(np.asarray(mask) > 0, np.uint8(0), np.uint8(255))
    away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return Image.fromarray(np.where(away <= distance, np.uint8(255), np.uint8(0)))


def scale_mask(mask: Image.Image, size: Size, place: str) -> Image.Image:
    """The mask at `size` (width, height) px, which must be of its shape.

    Raises:
        RowError: when it is not.
    """
    if not of_one_shape(mask.size, size):
        found, expected = (f"{width}x{height} px" for width, height in (mask.size, size))
        raise RowError("mask", f"{place}: has {found}, another shape than its picture's {expected}")
    return mask.resize(size, Image.Resampling.NEAREST)


def _open(place: str) -> Image.Image:
    try:
        with open_place(place) as file, Image.open(file, formats=FORMATS) as image:
            return image.copy()
    except Exception as error:  # decoders raise anything on damaged data
        raise RowError("decode", f"{place}: cannot be read: {reason_of(error)}") from error
