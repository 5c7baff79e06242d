"""Hashes by which images are compared: of their bytes, and of what they look like."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from PIL import Image

from ...canvas.pictures.images import RGB, decode_image
from ...canvas.pictures.value_range import ValueRange

#: Raised when a hash changes its meaning: hashes that are kept are then made again.
HASH_VERSION = 1
#: Sides in px of the grey image that is looked at, and of its lowest frequencies that are kept.
_SIDE, _FREQUENCIES = 32, 8
#: A JPEG is decoded no larger than this needs.
_AT_LEAST = (4 * _SIDE, 4 * _SIDE)
#: Steps of the transform below which a frequency is taken for absent: flat images have no pattern.
_STEP = 1.0


def exact_hash(value: bytes | Image.Image) -> int:
    """64 bits of the BLAKE2 of a file's bytes, or of a decoded image's mode, size and pixels.

    Two of ten million different files have the same with a chance of 3 in a million.
    """
    found = hashlib.blake2b(digest_size=8)
    if isinstance(value, Image.Image):
        found.update(f"{value.mode} {value.size}".encode())
        value = value.tobytes()
    found.update(value)
    return int.from_bytes(found.digest(), "little")


def perceptual_hash(
    value: bytes | Image.Image, background: RGB, value_range: ValueRange = "full"
) -> int:
    """64 bits that hardly change when an image is scaled or compressed anew.

    Each says whether one of the 8 x 8 lowest frequencies of the grey image, shrunk to 32 x 32 px,
    is above their median (the DCT hash that is widely called pHash). Colours are not seen, and
    images without a pattern are all alike.

    Raises:
        RowError: when the image cannot be decoded.
    """
    image = decode_image(
        value, background=background, at_least=_AT_LEAST, rough=True, value_range=value_range
    ).image
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    transformed = cv2.dct(np.asarray(grey, np.float32))[:_FREQUENCIES, :_FREQUENCIES]
    steps = np.round(transformed / _STEP)
    bits = steps > np.median(steps)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
