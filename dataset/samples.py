"""Where the samples of a dataset lie: the indexes of all shards in a few arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..common.errors import DatasetError
from .index import FileRecord, read_columns
from .members import JSON, LATENTS, MASK, SHAPE, ArrayMember, Shape
from .names import shard_name
from .stores.store import Store

Numbers = NDArray[np.int64]

#: Columns that a loader needs; the others can be long texts.
_COLUMNS = ["prompt_row", *SHAPE, *LATENTS.columns, *MASK.columns, *JSON.columns]
_READERS = 8


@dataclass(frozen=True, eq=False)
class SampleTable:
    """A row for each sample, in the order of the shards.

    `latents`, `mask` and `json` are the offsets in the tar of the members' first data byte (after
    the header of a .npy), `shape` says which of `shapes` the latents have, [C, H, W]. `files` are
    each shard's by their names in its header; there are none where every row was rejected.
    """

    files: tuple[dict[str, FileRecord], ...]
    shapes: tuple[Shape, ...]
    shard: NDArray[np.int32]
    prompt_row: NDArray[np.int32]
    shape: NDArray[np.int16]
    latents: NDArray[np.int64]
    mask: NDArray[np.int64]
    json: NDArray[np.int64]
    json_size: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.shard)


def read_samples(
    store: Store, shards: int, checksums: Mapping[str, str] = MappingProxyType({})
) -> SampleTable:
    """Read the indexes of all shards of a dataset.

    Those that are fetched must have the SHA-256 that `checksums` says, by their paths.

    Raises:
        DatasetError: when an index is missing or damaged, or the dataset is empty.
    """
    parts = read_indexes(store, shards, checksums, _COLUMNS)
    table = pa.concat_tables([table for _, table in parts]) if parts else None
    if table is None or not table.num_rows:
        raise DatasetError(f"{store.name}: the dataset has no samples; compile it again")
    counts = [table.num_rows for _, table in parts]
    shapes, shape = _shapes(table)
    text, text_size = JSON.columns
    return SampleTable(
        files=tuple(files for files, _ in parts),
        shapes=shapes,
        shard=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        prompt_row=_column(table, "prompt_row").astype(np.int32),
        shape=shape,
        latents=_data_offset(table, LATENTS),
        mask=_data_offset(table, MASK),
        json=_column(table, text),
        json_size=_column(table, text_size).astype(np.int32),
    )


def sample_key(store: Store, table: SampleTable, number: int) -> tuple[str, str]:
    """A sample's key and its row's own name: ``000000003`` and ``photos/cat.jpg``."""
    shard = int(table.shard[number])
    first = int(np.searchsorted(table.shard, shard))
    index = pq.read_table(store.metadata(shard_name(shard, ".parquet")), columns=["key", "source"])
    row = index.slice(number - first, 1).to_pylist()[0]
    return row["key"], row["source"]


def read_indexes(
    store: Store, shards: int, checksums: Mapping[str, str], columns: Sequence[str]
) -> list[tuple[dict[str, FileRecord], pa.Table]]:
    """Each shard's files and these columns of its index; see `index.read_columns`.

    Raises:
        DatasetError: when an index is missing or damaged.
    """

    def read(number: int) -> tuple[dict[str, FileRecord], pa.Table]:
        return _read_index(store, number, checksums, columns)

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(read, range(shards)))


def _read_index(
    store: Store, number: int, checksums: Mapping[str, str], columns: Sequence[str]
) -> tuple[dict[str, FileRecord], pa.Table]:
    name = shard_name(number, ".parquet")
    path = store.metadata(name, sha256=checksums.get(name))
    try:
        header, table = read_columns(path, columns)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DatasetError(
            f"{store.name}/{name}: the shard's index cannot be read ({error}); "
            "delete it and compile again to restore it"
        ) from error
    return header.files, table


def _column(table: pa.Table, name: str) -> NDArray[np.int64]:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _data_offset(table: pa.Table, member: ArrayMember) -> NDArray[np.int64]:
    """Where a .npy's data begin: they are its last bytes."""
    offset, size = (_column(table, name) for name in member.columns)
    return offset + size - member.length(*(_column(table, name) for name in SHAPE))


def _shapes(table: pa.Table) -> tuple[tuple[Shape, ...], NDArray[np.int16]]:
    """The distinct shapes, and for each sample which it has."""
    rows = table.group_by(list(SHAPE), use_threads=False).aggregate([]).to_pylist()
    shapes: Any = tuple(sorted(tuple(row[name] for name in SHAPE) for row in rows))
    shape = np.zeros(table.num_rows, np.int16)
    for place, sizes in enumerate(shapes):
        columns = zip(SHAPE, sizes, strict=True)
        shape[np.all([_column(table, name) == size for name, size in columns], axis=0)] = place
    return shapes, shape
