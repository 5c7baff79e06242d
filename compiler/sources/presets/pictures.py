"""Masks that a preset makes of a download's files, brought to the size of their picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....canvas.fitting import of_one_shape
from ....canvas.masks.choice import read_marks
from ....canvas.masks.files import extent_of, to_mask
from ....canvas.masks.options import ReadMask
from ....canvas.masks.reading import Unclear
from ....canvas.masks.values import is_layer
from ....canvas.pictures.formats import open_image
from ....canvas.pictures.images import RGB, Size, load_values
from ....common.errors import RowError
from ....tables.places import open_place, reason_of

#: What covers a garment.
GREY: RGB = (128, 128, 128)


def read_labels(place: str, size: Size, garment: Sequence[int]) -> NDArray[np.uint8]:
    """The labels of a person at `size` (width, height) px, of a PNG with a palette or in grey.

    Raises:
        RowError: when it cannot be read, has colours instead of labels, is of another shape, or
            has no pixel with one of the labels `garment`.
    """
    image = _open(place)
    if image.mode not in ("P", "L"):
        reason = f"has pixels of the mode {image.mode}; expected one label for each pixel"
        raise RowError("decode", f"{place}: {reason}")
    labels = np.asarray(image)
    if not np.isin(labels, garment).any():
        numbers = " or ".join(map(str, garment))
        raise RowError("mask", f"{place}: no pixel has the label {numbers} of the garment")
    return np.asarray(scale_mask(Image.fromarray(labels), size, place))


def mask_of_labels(labels: NDArray[np.uint8], wanted: Sequence[int]) -> Image.Image:
    """Mode L: 255 where `labels`, [height, width], are among `wanted`, 0 elsewhere."""
    return Image.fromarray(np.where(np.isin(labels, wanted), np.uint8(255), np.uint8(0)))


def mask_of_erased(place: str) -> Image.Image:
    """Mode L: 255 where a copy of a picture is erased, that is transparent, 0 elsewhere.

    A file of which nothing is transparent is read as any mask is.

    Raises:
        RowError: when the file cannot be read, or is a picture of which nothing is erased.
    """
    image = load_values(place)
    if is_layer(image) and np.asarray(image.convert("RGBA").getchannel("A")).min() < 128:
        return _marked(image, ReadMask(alpha="transparent"), place)
    return _marked(image, ReadMask(), f"{place}: nothing of it is transparent; it")


def mask_of_file(place: str) -> Image.Image:
    """Mode L: 255 where a file marks something, 0 elsewhere.

    Raises:
        RowError: when the file cannot be read, what it marks is not certain, or it marks nothing
            or everything.
    """
    mask = _marked(load_values(place), ReadMask(), f"{place}:")
    if extent := extent_of(mask):
        raise RowError("mask", f"{place}: is {extent}; expected a mask that marks a part")
    return mask


def _marked(image: Image.Image, options: ReadMask, what: str) -> Image.Image:
    reading = read_marks(image, options)
    if isinstance(reading, Unclear):
        raise RowError("mask", f"{what} has {reading.found}; expected a mask in black and white")
    return to_mask(reading.marked)


def widen(mask: Image.Image, distance: int) -> Image.Image:
    """The mask, and all that is no more than `distance` px away from it."""
    outside = np.where(np.asarray(mask) > 0, np.uint8(0), np.uint8(255))
    away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return Image.fromarray(np.where(away <= distance, np.uint8(255), np.uint8(0)))


def hull(mask: Image.Image) -> Image.Image:
    """The smallest convex part of the picture that holds all that is white in the mask."""
    points = cv2.findNonZero(np.asarray(mask))
    filled = np.zeros((mask.height, mask.width), np.uint8)
    if points is not None:
        cv2.fillConvexPoly(filled, cv2.convexHull(points), 255)
    return Image.fromarray(filled)


def hide(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """A copy of a picture that is grey where the mask, of its size, is white."""
    hidden = picture.copy()
    hidden.paste(GREY, mask=mask)
    return hidden


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
        with open_place(place) as file, open_image(file) as image:
            return image.copy()
    except Exception as error:  # decoders raise anything on damaged data
        raise RowError("decode", f"{place}: cannot be read: {reason_of(error)}") from error
