"""Rows whose images an earlier row has already: a property of the whole source, found beforehand.

What is found is written beside the rows, so that a shard job is told of its own rows and needs to
know of no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...common.files import write_whole
from ...common.report import Report
from ...tables.mapped import map_batches
from ..recipe import Recipe
from .alike import first_alike
from .filters import DuplicateFilter, NearDuplicates, of_kind
from .hashes import HashJob, HashStore, hash_jobs, read_parquet, row_ids, to_parquet
from .marks import MARKS

_FOUND = pa.schema([("filter", pa.int16()), ("earlier", pa.int64())])
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Found:
    """The number of the filter that drops each row, or -1, and of the row that is kept."""

    filter: NDArray[np.int16]
    earlier: NDArray[np.int64]


def mark_duplicates(
    recipe: Recipe,
    recipe_folder: Path,
    rows: pa.Table,
    output: Path,
    hash_all: Callable[[Iterator[HashJob]], Iterator[pa.Table]],
    report: Report,
) -> pa.Table:
    """The rows of a source, with the columns of `marks`.

    Without a filter on duplicates the rows are returned as they are. `hash_all` runs jobs, in any
    order; what they make is kept in `output`, so that each image is hashed once.

    Raises:
        OSError: when the hashes cannot be written.
        SourceError: when the temporary folder has no space.
    """
    filters = of_kind(DuplicateFilter, recipe.filters)
    if not filters:
        return rows
    store, ids = HashStore(output, recipe), row_ids(rows)
    known, hashes = store.find(ids)
    if not known.all():
        new = int((~known).sum())
        report.note(f"{new} of {len(ids)} images are hashed to find duplicates")
        report.begin(new, 0, "looking for duplicates", "images")
        try:
            for made in hash_all(hash_jobs(recipe, recipe_folder, rows, ids, ~known)):
                store.keep(made)
                report.advance(made.num_rows)
        finally:
            report.end()
        known, hashes = store.find(ids)
    store.tidy(ids, hashes)
    found = _recall(store.folder / "found.parquet", ids, filters, hashes)
    marks = map_batches(MARKS, _marks(filters, rows["key"], hashes, found))
    for name in MARKS.names:
        rows = rows.append_column(name, marks[name])
    return rows


def find_duplicates(filters: Sequence[DuplicateFilter], hashes: pa.Table) -> Found:
    """Ask each filter in turn about the rows that those before it leave.

    `hashes` has a uint64 column for each filter, by its label; rows without one are left alone.
    """
    found = Found(np.full(hashes.num_rows, -1, np.int16), np.full(hashes.num_rows, -1, np.int64))
    for number, item in enumerate(filters):
        column = hashes[item.label]
        rows = np.flatnonzero((found.filter < 0) & column.is_valid().to_numpy())
        distance = item.distance if isinstance(item, NearDuplicates) else 0
        earlier = first_alike(column.fill_null(0).to_numpy()[rows], distance)
        alike = earlier >= 0
        found.filter[rows[alike]] = number
        found.earlier[rows[alike]] = rows[earlier[alike]]
    return found


def _recall(
    path: Path, ids: NDArray[np.uint64], filters: Sequence[DuplicateFilter], hashes: pa.Table
) -> Found:
    """Recall what was found among the same rows before, or find it now."""
    digest = hashlib.blake2b(ids.tobytes(), digest_size=8).hexdigest().encode()
    kept = read_parquet(path, _FOUND)
    if kept is not None and (kept.schema.metadata or {}).get(b"rows") == digest:
        return Found(kept["filter"].to_numpy(), kept["earlier"].to_numpy())
    found = find_duplicates(filters, hashes)
    table = pa.table([found.filter, found.earlier], schema=_FOUND)
    write_whole(path, to_parquet(table.replace_schema_metadata({b"rows": digest})))
    return found


def _marks(
    filters: Sequence[DuplicateFilter], keys: pa.ChunkedArray, hashes: pa.Table, found: Found
) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        part = found.filter[start : start + _ROWS_AT_ONCE]
        labels: list[str | None] = [None] * len(part)
        reasons: list[str | None] = [None] * len(part)
        for row in np.flatnonzero(part >= 0).tolist():
            item, earlier = filters[part[row]], int(found.earlier[start + row])
            labels[row] = item.label
            column = hashes[item.label]
            bits = (column[start + row].as_py() ^ column[earlier].as_py()).bit_count()
            reasons[row] = f"{item.label}: {_alike(item, bits)} {keys[earlier].as_py()!r}"
        yield pa.record_batch([labels, reasons], schema=MARKS)


def _alike(item: DuplicateFilter, bits: int) -> str:
    if isinstance(item, NearDuplicates):
        return f"{bits} of 64 bits differ from"
    return "the same as"
