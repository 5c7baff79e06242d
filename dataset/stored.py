"""Samples as their bytes say, from shards that may be damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import DamagedFileError
from .catalogue import Catalogue
from .members import JSON, LATENTS, MASK, WEBP, Member, shape_of
from .names import shard_name
from .stores.parts import Part

#: Shards of a store that are read at once.
_READERS = 8

_Numbered = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class StoredSample:
    """A sample: `latents` are float16 [C, H, W], scaled; `mask` is uint8 [1, H, W], 1 = target.

    `group` is what its row belongs to, None where nothing is known of that. `metadata` is its JSON
    and `preview` its WebP; both are None where they were not asked for, and the preview also where
    there is none.
    """

    number: int
    key: str
    source: str
    prompt: str
    latents: NDArray[np.float16]
    mask: NDArray[np.uint8]
    group: str | None = None
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

    `with_picture` also reads their JSON and preview. Of shards at a URL a few are read at once.

    Raises:
        DatasetError: when a store cannot be reached; what is damaged there is told as elsewhere.
    """
    ordered = np.sort(np.asarray(numbers, dtype=np.int64))
    rows = catalogue.samples.take(ordered).to_pylist()
    numbered = list(zip(ordered.tolist(), rows, strict=True))
    groups = [list(group) for _, group in groupby(numbered, key=lambda pair: pair[1]["shard"])]

    def read(group: Sequence[_Numbered]) -> list[StoredSample | Unreadable]:
        return list(_read_shard(catalogue, group, with_picture))

    if catalogue.store.capacity is None:
        yield from chain.from_iterable(map(read, groups))
        return
    with ThreadPoolExecutor(_READERS) as pool:
        yield from chain.from_iterable(pool.map(read, groups))


def _read_shard(
    catalogue: Catalogue, group: Sequence[_Numbered], with_picture: bool
) -> Iterator[StoredSample | Unreadable]:
    """The samples of a shard, each with its number and its row of the index."""
    number = group[0][1]["shard"]
    name = shard_name(number, ".tar")
    members = (LATENTS, MASK, *((JSON, WEBP) if with_picture else ()))
    parts = [member.part(row) for _, row in group for member in members]
    record = catalogue.record_of(number, "tar")
    size = (catalogue.sizes or {}).get(name)
    try:
        found = catalogue.store.read_parts(number, ".tar", record, parts, size)
    except DamagedFileError as error:
        yield from (Unreadable(number, name, error.reason) for number, _ in group)
        return
    data = iter(zip(parts, found, strict=True))
    for sample, row in group:
        yield _sample_of(sample, row, name, dict(zip(members, data, strict=False)))


def _sample_of(
    number: int, row: Mapping[str, Any], file: str, members: Mapping[Member, tuple[Part, bytes]]
) -> StoredSample | Unreadable:
    """A sample from the bytes of its members, which can be fewer than the index says."""
    shape = shape_of(row)
    try:
        if any(len(data) != part.size for part, data in members.values()):
            raise ValueError("it is shorter than its index says")
        latents = LATENTS.read(members[LATENTS][1], shape)
        mask = MASK.read(members[MASK][1], shape)
        metadata = json.loads(members[JSON][1]) if JSON in members else None
        preview = (members[WEBP][1] if WEBP in members else None) or None
    except ValueError as error:
        return Unreadable(number, file, str(error))
    texts = row["key"], row["source"], row["prompt"]
    return StoredSample(number, *texts, latents, mask, row["group"], metadata, preview)
