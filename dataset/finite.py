"""Looks for NaN and infinity in the latents of a shard while its bytes pass by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from .members import LATENTS, SHAPE, shape_of

#: The bits of a float16 that are all set in NaN and infinity.
_EXPONENT = 0x7C00
_COLUMNS = ["key", "source", *SHAPE, *LATENTS.columns]


class Watch(Protocol):
    """An observer that is shown the bytes of a file from its beginning to its end."""

    def begin(self) -> None:
        """The file is read from its beginning, perhaps once more."""

    def see(self, chunk: bytes) -> None:
        """The next bytes of it."""


class FiniteWatch:
    """A `Watch` of a shard's tar; `broken` are its samples whose latents are not finite.

    They are named by their keys and their rows' names: ``000000003 (photos/cat.jpg)``.
    """

    def __init__(self, index: pa.Table) -> None:
        rows = index.select(_COLUMNS).to_pylist()
        self._ranges = sorted((*_data_of(row), f"{row['key']} ({row['source']})") for row in rows)
        self.begin()

    def begin(self) -> None:
        """As `Watch.begin`."""
        self._position = self._next = 0
        self._held = bytearray()
        self._broken: list[str] = []

    def see(self, chunk: bytes) -> None:
        """As `Watch.see`."""
        view = memoryview(chunk)
        while self._next < len(self._ranges):
            start, size, name = self._ranges[self._next]
            first = start + len(self._held) - self._position
            self._held += view[first : first + size - len(self._held)]
            if len(self._held) < size:
                break
            if not _is_finite(self._held):
                self._broken.append(name)
            self._held.clear()
            self._next += 1
        self._position += len(view)

    @property
    def broken(self) -> Sequence[str]:
        """The samples seen so far whose latents hold NaN or infinity."""
        return self._broken


def _data_of(row: dict[str, int]) -> tuple[int, int]:
    """Where the numbers of a .npy begin in the tar, and their bytes: they are its last."""
    size = LATENTS.length(*shape_of(row))
    return LATENTS.part(row).end - size, size


def _is_finite(data: bytearray) -> bool:
    bits = np.frombuffer(bytes(data), np.uint16) & _EXPONENT
    return bool(bits.max(initial=0) != _EXPONENT)
