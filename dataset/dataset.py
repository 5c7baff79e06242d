"""Reading a compiled dataset: samples by number, straight from the shards' bytes.

Wherever it lies: what a dataset at a URL needs is fetched when it is needed, see `stores`.
"""

from __future__ import annotations

import bisect
import json
import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from ..common.errors import DatasetError
from ..common.network import StoreError
from ..common.report import Report, Silent
from .index import ShardHeader, read_header, read_index
from .info import DatasetInfo, read_finished_info
from .members import JSON, LATENTS, MASK, MEMBERS, WEBP, Member, shape_of
from .names import DATASET, SHARD_FILES, shard_name
from .stores.cache import CacheSettings
from .stores.local import LocalStore
from .stores.revision import commit_of
from .stores.store import Store, name_of, open_store
from .verify import find_damage

#: Indexes of a store that are fetched at once.
_READERS = 8
#: Shards that a dataset has open at once, each a mapped file.
_MOST_OPEN = 64

T = TypeVar("T")


@dataclass(frozen=True)
class DatasetSample:
    """One canvas as it is trained on.

    `latents` are float16 [C, H, W], scaled; `mask` uint8 [1, H, W], 1 = target; both are read-only
    views of the shard. `texts` are the prompt's embeddings, by name. `metadata` is the sample's
    JSON, `preview` its WebP.
    """

    key: str
    latents: NDArray[np.float16]
    mask: NDArray[np.uint8]
    prompt: str
    texts: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    preview: bytes


class Dataset:
    """A finished dataset in a folder or at a URL; open one with `open_dataset`.

    `info` is its dataset.json, `name` the folder or the URL as it was given. Indexes are
    read, and shards fetched and mapped, when they are needed.
    """

    def __init__(self, name: str, store: Store, info: DatasetInfo) -> None:
        self.name = name
        self.info = info
        self._store = store
        #: By their numbers, the one that was used last at the end.
        self._open: dict[int, _Shard] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What travels to other processes, which open shards of their own."""
        return {**vars(self), "_open": {}}

    @property
    def path(self) -> Path:
        """The folder that it lies in.

        Raises:
            StoreError: when it lies at a URL.
        """
        if not isinstance(self._store, LocalStore):
            raise StoreError(f"{self.name}: expected a folder of this machine, not a URL")
        return self._store.folder

    @property
    def commit(self) -> str | None:
        """The commit of the Hub that is read; None elsewhere."""
        return commit_of(self._store.name)

    @cached_property
    def _ends(self) -> list[int]:
        """For each shard the number of samples up to its end."""
        return list(accumulate(header.samples for header in self.headers()))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> DatasetSample:
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} of a dataset of {len(self)}")
        number %= len(self)
        shard = bisect.bisect_right(self._ends, number)
        row = number - (self._ends[shard - 1] if shard else 0)
        opened = self._shard(shard)
        try:
            return _read_sample(opened, row)
        except ValueError as error:
            raise _damaged(self._store, shard, SHARD_FILES["tar"], error) from error

    def __iter__(self) -> Iterator[DatasetSample]:
        return (self[number] for number in range(len(self)))

    def headers(self) -> Iterator[ShardHeader]:
        """The header of each shard's index.

        Raises:
            DatasetError: when an index is missing or damaged.
        """
        with ThreadPoolExecutor(1 if self._store.capacity is None else _READERS) as pool:
            numbers = range(self.info.totals.shards)
            for number, path in zip(numbers, pool.map(self._index, numbers), strict=True):
                header = read_header(path)
                if header is None:
                    index = f"{self.name}/{shard_name(number, '.parquet')}"
                    raise DatasetError(f"{index}: missing or damaged; compile again to restore it")
                yield header

    def verify(self, report: Report | None = None) -> list[str]:
        """Read every byte and compare checksums and counts; each problem, or an empty list.

        Compiling again restores what is damaged; where it would not notice the damage, the problem
        says which file has to be deleted first. At a URL every file is read as it is there now, and
        none is kept.

        Raises:
            DatasetError: when a store cannot be reached.
        """
        return list(find_damage(self._store, self.info, report or Silent()))

    def _shard(self, number: int) -> _Shard:
        """A shard, opened once; again where another has taken its place."""
        time = self._index(number).stat().st_mtime_ns
        shard = self._open.pop(number, None)
        if shard is None or shard.time != time:
            shard = _open_shard(self._store, number, time)
        self._open[number] = shard
        for other in list(self._open)[:-_MOST_OPEN]:
            self._open.pop(other, None)
        return shard

    def _index(self, number: int) -> Path:
        name = shard_name(number, ".parquet")
        return self._store.metadata(name, sha256=self.info.checksums.get(name))


def open_dataset(path: str | Path, cache: CacheSettings | None = None) -> Dataset:
    """Open a compiled dataset in a folder, or at any URL that fsspec opens.

    From a URL, such as ``hf://datasets/USER/NAME@REVISION`` or ``s3://BUCKET/NAME``, indexes and
    then shards are fetched when they are needed, checked against their SHA-256, and kept in
    `cache`, which processes share and `onepic-train` uses too. On the Hub it is read at the commit
    that the revision has now. An index, and each shard that is used, is fetched whole.

    Raises:
        DatasetError: when there is none, it is unfinished, of a newer format, or not reached.
    """
    store = open_store(path, cache or CacheSettings())
    name = name_of(path, store)
    return Dataset(name, store, read_finished_info(store.metadata(DATASET).parent, name))


@dataclass(frozen=True)
class _Shard:
    """A shard's index and the time that it was written, its tar, mapped, and its embeddings."""

    time: int
    index: pa.Table
    tar: mmap.mmap
    texts: dict[str, NDArray[Any]]


def _open_shard(store: Store, number: int, time: int) -> _Shard:
    """Read and map the shard whose index was written at this time."""
    path = store.metadata(shard_name(number, ".parquet"))
    header, index = read_header(path), read_index(path)
    if header is None:
        raise DatasetError(f"{path}: missing or damaged; compile again to restore it")
    tar = _read_file(store, header, "tar", lambda file: _map(file, index))
    text = _read_file(store, header, "text", lambda file: load(file.read()))
    return _Shard(time, index, tar, text)


def _read_file(store: Store, header: ShardHeader, name: str, read: Callable[[BinaryIO], T]) -> T:
    """Open a file of a shard, and return what `read` makes of it."""
    suffix = SHARD_FILES[name]
    with os.fdopen(store.open_shard(header.number, suffix, header.files[name]), "rb") as file:
        try:
            return read(file)
        except (OSError, ValueError, SafetensorError) as error:
            raise _damaged(store, header.number, suffix, error) from error


def _damaged(store: Store, number: int, suffix: str, error: Exception) -> DatasetError:
    return DatasetError(
        f"{store.name}/{shard_name(number, suffix)}: cannot be read ({error}); "
        f"{store.remedy(shard_name(number, '.parquet'))}, and compile again to restore it"
    )


def _map(file: BinaryIO, index: pa.Table) -> mmap.mmap:
    tar = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if len(tar) < MEMBERS[-1].part(index.slice(len(index) - 1).to_pylist()[0]).end:
        raise ValueError("it is shorter than its index says")
    return tar


def _read_sample(shard: _Shard, row: int) -> DatasetSample:
    entry = {
        name: column[row].as_py()
        for name, column in zip(shard.index.column_names, shard.index.columns, strict=True)
    }

    def bytes_of(member: Member) -> memoryview:
        part = member.part(entry)
        return memoryview(shard.tar)[part.offset : part.end]

    shape = shape_of(entry)
    return DatasetSample(
        key=entry["key"],
        latents=LATENTS.read(bytes_of(LATENTS), shape),
        mask=MASK.read(bytes_of(MASK), shape),
        prompt=entry["prompt"],
        texts={name: array[entry["prompt_row"]] for name, array in shard.texts.items()},
        metadata=json.loads(bytes(bytes_of(JSON))),
        preview=bytes(bytes_of(WEBP)),
    )
