"""All samples of a dataset by its indexes, whatever state it is in; no shard is opened.

Of a dataset at a URL the indexes are fetched, and the sizes of the other files come from a listing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..common.errors import DamagedFileError, DatasetError
from .index import SCHEMA, SHARED, FileRecord, Rejection, ShardHeader, missized, read_columns
from .info import DatasetInfo, read_known_info, unfinished
from .members import TXT
from .names import DATASET, SHARD_NAME, SHARDS, shard_name
from .stores.cache import CacheSettings
from .stores.store import Store, name_of, open_store
from .verify import damage_beside_shards, find_miscounts

#: Columns of the indexes that are read; stamps can be long, and nobody looks at them.
_COLUMNS = [name for name in SCHEMA.names if name not in ("stamp", *SHARED, *TXT.columns)]
#: A column that came later: in the table of an index without it, it is null.
_GROUP = SCHEMA.field("group")
_READERS = 8


@dataclass(frozen=True)
class Catalogue:
    """All that the indexes say which can be read.

    `name` is what the user calls the dataset; `info` is its dataset.json; `sizes` are the
    bytes of its files, by path, where the store can list them; `samples` has a row for each sample,
    with the index's columns and ``shard``, the number of its shard; `problems` is each in a line.
    """

    name: str
    store: Store
    info: DatasetInfo
    sizes: Mapping[str, int] | None
    headers: tuple[ShardHeader, ...]
    samples: pa.Table
    problems: tuple[str, ...]

    def record_of(self, shard: int, name: str) -> FileRecord:
        """The record of a shard's ``tar`` or ``text`` in its index."""
        return next(header for header in self.headers if header.number == shard).files[name]

    def left_out(self) -> Iterator[Rejection]:
        """The rows that were rejected or dropped by filters, in their order."""
        return (row for header in self.headers for row in header.left_out)


def open_catalogue(place: str | Path) -> Catalogue:
    """Read the indexes of the dataset in a folder, or at any URL that fsspec opens.

    Raises:
        DatasetError: as `read_catalogue` does, and when the URL cannot be used.
    """
    store = open_store(place, CacheSettings())
    return read_catalogue(store, name_of(place, store))


def read_catalogue(store: Store, name: str) -> Catalogue:
    """Read the indexes of a dataset, which may be unfinished or damaged.

    Raises:
        DatasetError: when there is no dataset, it is of a newer format, or it cannot be reached.
    """
    info = read_known_info(store.metadata(DATASET).parent, name)
    sizes = store.sizes()
    if sizes is None and not info.complete:
        raise DatasetError(f"{name}: {unfinished(name)}")
    numbers = _shards(info, sizes or {})
    with ThreadPoolExecutor(_READERS) as pool:
        read = partial(_read_shard, store, sizes=sizes, checksums=info.checksums)
        parts = list(pool.map(read, numbers))
    found = [part for part in parts if part is not None]
    headers = tuple(header for header, _ in found)
    shards = dict(zip(numbers, parts, strict=True))
    return Catalogue(
        name=name,
        store=store,
        info=info,
        sizes=sizes,
        headers=headers,
        samples=_concatenated([_with_shard(*part) for part in found]),
        problems=(
            *(() if info.complete else (unfinished(name),)),
            *([f"{name}: {info.leak}"] if info.leak else []),
            *_find_problems(store, info, sizes, shards),
        ),
    )


def _shards(info: DatasetInfo, sizes: Mapping[str, int]) -> list[int]:
    """The shards that should be there; of an unfinished dataset those that are."""
    if info.complete:
        return list(range(info.totals.shards))
    names = (name for name in sizes if SHARD_NAME.fullmatch(name))
    return sorted({int(name.removeprefix(f"{SHARDS}/").partition(".")[0]) for name in names})


def _read_shard(
    store: Store, number: int, sizes: Mapping[str, int] | None, checksums: Mapping[str, str]
) -> tuple[ShardHeader, pa.Table] | None:
    name = shard_name(number, ".parquet")
    if sizes is not None and name not in sizes:
        return None
    size = None if sizes is None else sizes[name]
    try:
        path = store.metadata(name, size=size, sha256=checksums.get(name))
        header, table = read_columns(path, [*_COLUMNS, _GROUP.name])
    except (DamagedFileError, OSError, pa.ArrowException, ValueError):
        return None
    if _GROUP.name not in table.column_names:
        table = table.append_column(_GROUP, pa.nulls(table.num_rows, _GROUP.type))
    return header, table


def _with_shard(header: ShardHeader, table: pa.Table) -> pa.Table:
    column = pa.array(np.full(table.num_rows, header.number, np.int32))
    return table.append_column("shard", column).replace_schema_metadata(None)


def _concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    fields = [*(SCHEMA.field(name) for name in _COLUMNS), _GROUP, ("shard", pa.int32())]
    empty = pa.schema(fields)
    return pa.concat_tables([empty.empty_table(), *tables])


def _find_problems(
    store: Store,
    info: DatasetInfo,
    sizes: Mapping[str, int] | None,
    shards: Mapping[int, tuple[ShardHeader, pa.Table] | None],
) -> Iterator[str]:
    counted = Counter({"samples": 0, "rejected": 0, "dropped": 0})
    for number, shard in shards.items():
        name = shard_name(number, ".parquet")
        if shard is None:
            yield f"{name} is missing or damaged"
            continue
        header, table = shard
        counted.update(header.rows)
        if table.num_rows != header.samples:
            yield f"{name} has {table.num_rows} rows, not {header.samples}"
        if sizes is not None and not store.is_elsewhere(header):
            yield from (f"{SHARDS}/{damage}" for damage in missized(header, sizes))
    if not counted["samples"]:
        yield "there is no sample in it"
    if info.complete:
        is_sound = None not in shards.values()
        if is_sound:
            yield from find_miscounts(info.totals, counted)
        left_out = counted["rejected"] + counted["dropped"]
        yield from damage_beside_shards(store, left_out if is_sound else None, info.checksums)
