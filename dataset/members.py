"""The members of a sample: what each file of a shard's tar is called, and what is in it.

What is written, read, compared and told of a sample follows this table.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .stores.parts import Part

Shape = tuple[int, int, int]
#: A number, or a column of them.
N = TypeVar("N", int, NDArray[np.int64])

#: The columns of an index that hold a sample's C, H and W.
SHAPE = ("channels", "height", "width")


@dataclass(frozen=True)
class Member:
    """One file of each sample, ``KEY.extension``; `what` tells people what it is."""

    name: str
    extension: str
    what: str

    @property
    def columns(self) -> tuple[str, str]:
        """The columns of an index that say where its bytes begin in the tar, and their number."""
        return f"{self.name}_offset", f"{self.name}_size"

    def part(self, row: Mapping[str, Any]) -> Part:
        """Where it lies in the tar, by the sample's row of the index."""
        offset, size = self.columns
        return Part(row[offset], row[size])


@dataclass(frozen=True)
class ArrayMember(Member):
    """A .npy of `dtype`: [planes, H, W] beside latents [C, H, W]; without `planes` as they are."""

    dtype: np.dtype[Any]
    planes: int | None = None

    def shape(self, latents: Shape) -> Shape:
        """Its shape beside latents of a shape."""
        return (latents[0] if self.planes is None else self.planes, *latents[1:])

    def length(self, channels: N, height: N, width: N) -> N:
        """How many bytes its numbers have beside latents [C, H, W]: they are the file's last."""
        planes = channels if self.planes is None else self.planes
        return planes * height * width * self.dtype.itemsize

    def form(self, latents: Shape) -> str:
        """Its type and shape, as people are told: ``float16 [4, 8, 16]``."""
        return f"{self.dtype} {list(self.shape(latents))}"

    def write(self, array: NDArray[Any], latents: Shape) -> bytes:
        """The array as a .npy, without pickle.

        Raises:
            ValueError: when it has another type or shape than it must have beside the latents.
        """
        if (array.dtype, array.shape) != (self.dtype, self.shape(latents)):
            found = f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{self.extension} has {found}, expected {self.form(latents)}")
        return _npy(array)

    def read(self, data: bytes | memoryview, latents: Shape) -> NDArray[Any]:
        """The array of a .npy: a view of its bytes, which cannot be changed.

        Raises:
            ValueError: when it is none, or has another type or shape than its index says.
        """
        shape, view = self.shape(latents), memoryview(data)
        header = bytes(view[: max(0, len(view) - self.length(*latents))])
        if not _says(header, self.dtype, shape):
            raise ValueError(
                f"{self.extension} has {_form_of(data)} where its index says {self.form(latents)}"
            )
        return np.frombuffer(view[len(header) :], self.dtype).reshape(shape)


LATENTS = ArrayMember(
    "latents",
    "latents.npy",
    "the canvas as the network takes it, scaled for it; each panel was encoded alone",
    np.dtype(np.float16),
)
MASK = ArrayMember(
    "mask", "mask.npy", "1 is the target, 0 the context", np.dtype(np.uint8), planes=1
)
JSON = Member("json", "json", "where the panels lie in px, and the row of the prompt's embeddings")
TXT = Member("txt", "txt", "the prompt")
WEBP = Member("webp", "webp", "a small picture of the canvas")
#: All of them, in their order in the tar.
MEMBERS = (LATENTS, MASK, JSON, TXT, WEBP)


def describe(member: Member, latents: Shape) -> str:
    """Words for a member; an array's begin with its type and shape beside the latents."""
    form = f"{member.form(latents)}: " if isinstance(member, ArrayMember) else ""
    return f"{form}{member.what}"


def shape_of(row: Mapping[str, Any]) -> Shape:
    """[C, H, W] of a sample's latents, by its row of the index."""
    channels, height, width = (row[name] for name in SHAPE)
    return channels, height, width


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _says(header: bytes, dtype: np.dtype[Any], shape: Shape) -> bool:
    """Whether a .npy begins so whose numbers have this type and shape.

    It is a magic word, the size of the rest in two bytes, and a text with blanks behind it, of
    which numpy's versions write more or fewer.
    """
    is_whole = int.from_bytes(header[8:10], "little") == len(header) - 10
    return is_whole and header[:8] + header[10:].rstrip() == _expected(dtype, shape)


@lru_cache(maxsize=64)
def _expected(dtype: np.dtype[Any], shape: Shape) -> bytes:
    header = _npy(np.empty(shape, dtype))[: -dtype.itemsize * math.prod(shape)]
    return header[:8] + header[10:].rstrip()


def _form_of(data: bytes | memoryview) -> str:
    """What a damaged .npy holds, as far as that can be told."""
    try:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception:  # numpy raises whatever its parser of headers does
        return "no array"
    return f"{array.dtype} {list(array.shape)}"
