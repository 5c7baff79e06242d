"""All samples of a dataset by its indexes, whatever state it is in; no shard is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..dataset import read_known_info
from ..errors import DatasetError
from ..files import DATASET, SHARDS, shard_path
from ..index import SCHEMA, Rejection, ShardHeader, missized_files, read_columns
from ..verify import damage_beside_shards, find_miscounts

SHAPE = ("channels", "height", "width")
#: Columns of the indexes that are read; stamps can be long, and nobody looks at them.
_COLUMNS = [name for name in SCHEMA.names if name != "stamp" and not name.startswith("txt_")]
_READERS = 8


@dataclass(frozen=True)
class Catalogue:
    """What the indexes that can be read say.

    `info` is what dataset.json holds; `samples` has a row for each sample, with the index's columns
    and ``shard``, the number of its shard; `problems` is each in a line.
    """

    folder: Path
    info: dict[str, Any]
    headers: tuple[ShardHeader, ...]
    samples: pa.Table
    problems: tuple[str, ...]

    def left_out(self) -> Iterator[Rejection]:
        """The rows that were rejected or dropped by filters, in their order."""
        return (row for header in self.headers for row in header.left_out)


def read_catalogue(folder: Path) -> Catalogue:
    """Read the indexes of a dataset, which may be unfinished or damaged.

    Raises:
        DatasetError: when there is no dataset, or it is of a newer format.
    """
    info = read_known_info(folder, str(folder))
    if missing := {"task", "latents", "model", "canvas_size"} - set(info):
        raise DatasetError(
            f"{folder / DATASET}: has no {min(missing)!r}; run onepic-compile again to write it"
        )
    numbers = _shards(folder, info)
    with ThreadPoolExecutor(_READERS) as pool:
        parts = list(pool.map(lambda number: _read_shard(folder, number), numbers))
    found = [part for part in parts if part is not None]
    headers = tuple(header for header, _ in found)
    return Catalogue(
        folder=folder,
        info=info,
        headers=headers,
        samples=_concatenated([_with_shard(*part) for part in found]),
        problems=tuple(_find_problems(folder, info, dict(zip(numbers, parts, strict=True)))),
    )


def _shards(folder: Path, info: Mapping[str, Any]) -> list[int]:
    """The shards that should be there; of an unfinished dataset those that are."""
    if info["complete"]:
        return list(range(info["totals"]["shards"]))
    stems = {path.name.partition(".")[0] for path in (folder / SHARDS).glob("*.*")}
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def _read_shard(folder: Path, number: int) -> tuple[ShardHeader, pa.Table] | None:
    try:
        return read_columns(shard_path(folder, number, ".parquet"), _COLUMNS)
    except (OSError, pa.ArrowException, ValueError):
        return None


def _with_shard(header: ShardHeader, table: pa.Table) -> pa.Table:
    column = pa.array(np.full(table.num_rows, header.number, np.int32))
    return table.append_column("shard", column).replace_schema_metadata(None)


def _concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    empty = pa.schema([*(SCHEMA.field(name) for name in _COLUMNS), ("shard", pa.int32())])
    return pa.concat_tables([empty.empty_table(), *tables])


def _find_problems(
    folder: Path,
    info: Mapping[str, Any],
    shards: Mapping[int, tuple[ShardHeader, pa.Table] | None],
) -> Iterator[str]:
    if not info["complete"]:
        yield "compiling it has not finished; run onepic-compile again"
    counted = {"samples": 0, "rejected": 0, "dropped": 0}
    for number, shard in shards.items():
        if shard is None:
            yield f"{SHARDS}/{number:05d}.parquet is missing or damaged"
            continue
        header, table = shard
        counted["samples"] += header.samples
        counted["rejected"] += len(header.rejected)
        counted["dropped"] += sum(map(len, header.dropped.values()))
        if table.num_rows != header.samples:
            yield f"{SHARDS}/{number:05d}.parquet has {table.num_rows} rows, not {header.samples}"
        yield from (f"{SHARDS}/{damage}" for damage in missized_files(folder, header))
    if not counted["samples"]:
        yield "there is no sample in it"
    if info["complete"]:
        is_sound = None not in shards.values()
        if is_sound:
            yield from find_miscounts(info["totals"], counted)
        left_out = counted["rejected"] + counted["dropped"]
        yield from damage_beside_shards(folder, left_out if is_sound else None)
