"""What a sample may share with others: the group that it belongs to, and the pictures it shows.

What is held out from training must not be trained on in another sample, so the index beside each
shard says both of every sample. Pictures are known by numbers of 64 bits.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from .sources import Row, Source, Value

#: The number of pixels of a single colour: pictures may have them in common by chance.
PLAIN = 0
#: Every so many pixels are looked at before all are.
_COARSE = 16


@dataclass(frozen=True)
class Origin:
    """What a panel was made of.

    `pixels` is the number of its picture at the panel's size, before operations on pixels. `value`
    is that of the column's path, URL or bytes, which crops of one file share; it is None where the
    source hands on a decoded picture.
    """

    pixels: int
    value: int | None

    @classmethod
    def of(cls, image: Image.Image, value: Value) -> Origin:
        """The origin of a panel that shows `image`, which was made of the column's `value`."""
        return cls(_number_of_pixels(np.asarray(image)), _number_of_value(value))


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
        cls, group: str | None, origins: Mapping[str, Origin], targets: Collection[str]
    ) -> Shared:
        """What a row shares whose panels have these origins, of which `targets` are learned."""
        target = _numbers([origins[name] for name in targets])
        others = _numbers([origin for name, origin in origins.items() if name not in targets])
        return cls(group, target, tuple(number for number in others if number not in target))


def group_of(source: Source, row: Row, scanned: pa.Table) -> str | None:
    """The group of a row: by the recipe's column, or else as the source knows it.

    `scanned` has that row alone of the source's scan.
    """
    if source.group is None:
        return scanned["group"][0].as_py() if "group" in scanned.column_names else None
    value = row.values.get(source.group)
    is_missing = value in (None, "") or (isinstance(value, float) and math.isnan(value))
    return None if is_missing else str(value)


def _numbers(origins: Collection[Origin]) -> tuple[int, ...]:
    values = (origin.value for origin in origins if origin.value is not None)
    return tuple(dict.fromkeys([*(origin.pixels for origin in origins), *values]))


def _number_of_pixels(pixels: NDArray[np.uint8]) -> int:
    first = pixels[0, 0]
    if (pixels[::_COARSE, ::_COARSE] == first).all() and (pixels == first).all():
        return PLAIN
    return _number(f"{pixels.shape} ".encode(), np.ascontiguousarray(pixels).data)


def _number_of_value(value: Value) -> int | None:
    if isinstance(value, str):
        return _number(b"place ", value.encode("utf-8", "surrogateescape"))
    return _number(b"bytes ", value) if isinstance(value, bytes) else None


def _number(kind: bytes, content: bytes | memoryview) -> int:
    """What tells a content of a kind from all others, as Parquet's int64 takes it."""
    digest = hashlib.blake2b(kind, digest_size=8)
    digest.update(content)
    return int.from_bytes(digest.digest(), "little", signed=True) or 1
