"""Shared things of samples: the group that one belongs to, and the pictures it shows.

What is held out from training must not be trained on in another sample, so the index beside each
shard says both of every sample. Pictures are known by numbers of 64 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .row import Value

#: The number of pixels of a single colour: pictures may have them in common by chance.
PLAIN = 0
#: Every so many pixels are looked at before all are.
_COARSE = 16


@dataclass(frozen=True)
class Origin:
    """The content that a panel was made of.

    `pixels` is the number of its picture at the panel's size, before operations on pixels. `value`
    is the column's path or URL, or the digest of its bytes, which crops of one file share; it is
    None where the source hands on a decoded picture, and for a plain one, such as the empty mask
    that many rows may name.
    """

    pixels: int
    value: str | None

    @classmethod
    def of(cls, image: Image.Image, value: Value) -> Origin:
        """The origin of a panel that shows `image`, which was made of the column's `value`."""
        pixels = _number_of_pixels(np.asarray(image))
        if isinstance(value, bytes):
            value = hashlib.sha256(value).hexdigest()
        return cls(pixels, value if isinstance(value, str) and pixels != PLAIN else None)


@dataclass(frozen=True)
class Shared:
    """A sample's columns in the index.

    `group` is what the source says that the row belongs to, None where it says nothing.
    `target_images` are the numbers of the pixels of each target panel, in their order, then those
    of their columns' values; `context_images` are those of the other panels that are not among
    them. Each number is there once.
    """

    group: str | None = None
    target_images: tuple[int, ...] = ()
    context_images: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        group: str | None,
        origins: Mapping[str, Origin],
        targets: Collection[str],
        folder: Path,
    ) -> Shared:
        """Tell what a row shares whose panels have these origins, of which `targets` are learned.

        Paths below `folder`, the recipe's, count from there: where it lies shapes no dataset.
        """
        target = _numbers([origins[name] for name in targets], folder)
        rest = [origin for name, origin in origins.items() if name not in targets]
        others = (number for number in _numbers(rest, folder) if number not in target)
        return cls(group, target, tuple(others))


def _numbers(origins: Collection[Origin], folder: Path) -> tuple[int, ...]:
    places = (origin.value.removeprefix(f"{folder}/") for origin in origins if origin.value)
    values = (_number(b"value ", place.encode("utf-8", "surrogateescape")) for place in places)
    return tuple(dict.fromkeys([*(origin.pixels for origin in origins), *values]))


def _number_of_pixels(pixels: NDArray[np.uint8]) -> int:
    first = pixels[0, 0]
    if (pixels[::_COARSE, ::_COARSE] == first).all() and (pixels == first).all():
        return PLAIN
    return _number(f"{pixels.shape} ".encode(), np.ascontiguousarray(pixels).data)


def _number(kind: bytes, content: bytes | memoryview) -> int:
    """A number that tells a content of a kind from all others, as Parquet's int64 takes it."""
    # Processors have instructions for SHA-256: BLAKE2b takes more than twice as long.
    digest = hashlib.sha256(kind)
    digest.update(content)
    return int.from_bytes(digest.digest()[:8], "little", signed=True) or 1
