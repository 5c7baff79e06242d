"""Samples as their bytes say, from shards that may be damaged."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import SHARDS, shard_path
from .catalogue import SHAPE, Catalogue


@dataclass(frozen=True)
class StoredSample:
    """A sample: `latents` are float16 [C, H, W], scaled; `mask` is uint8 [1, H, W], 1 = target.

    `metadata` is its JSON and `preview` its WebP; both are None where they were not asked for,
    and the preview also where there is none.
    """

    number: int
    key: str
    source: str
    prompt: str
    latents: NDArray[np.float16]
    mask: NDArray[np.uint8]
    metadata: dict[str, Any] | None = None
    preview: bytes | None = None


@dataclass(frozen=True)
class Unreadable:
    """A sample that could not be read: its number, the file, and why."""

    number: int
    file: str
    reason: str


def read_samples(
    catalogue: Catalogue, numbers: Sequence[int] | NDArray[np.int64], *, with_picture: bool = False
) -> Iterator[StoredSample | Unreadable]:
    """Read samples by number, in the order in which they lie in the shards.

    `with_picture` also reads their JSON and preview.
    """
    ordered = np.sort(np.asarray(numbers, dtype=np.int64))
    rows = catalogue.samples.take(ordered).to_pylist()
    pairs = zip(ordered.tolist(), rows, strict=True)
    for shard, group in groupby(pairs, key=lambda pair: pair[1]["shard"]):
        path = shard_path(catalogue.folder, shard, ".tar")
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            yield from (Unreadable(n, _name(path), str(error.strerror)) for n, _ in group)
            continue
        try:
            for number, row in group:
                yield _read_sample(file, path, number, row, with_picture)
        finally:
            os.close(file)


def _read_sample(
    file: int, path: Path, number: int, row: Mapping[str, Any], with_picture: bool
) -> StoredSample | Unreadable:
    shape = tuple(row[name] for name in SHAPE)
    try:
        latents = _array(_member(file, row, "latents"), np.float16, shape)
        mask = _array(_member(file, row, "mask"), np.uint8, (1, *shape[1:]))
        metadata = json.loads(_member(file, row, "json")) if with_picture else None
        preview = _member(file, row, "webp") if with_picture and row["webp_size"] else None
    except (OSError, ValueError) as error:
        return Unreadable(number, _name(path), str(error))
    texts = row["key"], row["source"], row["prompt"]
    return StoredSample(number, *texts, latents, mask, metadata, preview)


def _member(file: int, row: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a member of a tar."""
    offset, size = row[f"{name}_offset"], row[f"{name}_size"]
    data = os.pread(file, size, offset)
    if len(data) != size:
        raise ValueError("it is shorter than its index says")
    return data


def _array(data: bytes, dtype: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of a .npy, which must be what the index says of it."""
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"has {array.dtype} {list(array.shape)} where its index says "
            f"{np.dtype(dtype)} {list(shape)}"
        )
    return array


def _name(path: Path) -> str:
    return f"{SHARDS}/{path.name}"
