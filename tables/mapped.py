"""Tables of rows that lie on disk and are mapped into memory, so that a plan may be long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..common.errors import SourceError
from ..common.secrets import marked_place
from .places import reason_of


def map_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """Write batches to a temporary Arrow file and map it.

    The file's name is gone when this returns, its space when the table is.

    Raises:
        SourceError: when the temporary folder has no space.
    """
    with tempfile.TemporaryDirectory(prefix="onepic-rows-") as folder:
        path = Path(folder) / "rows.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in batches:
                _write(writer, batch, folder)
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _write(writer: pa.RecordBatchWriter, batch: pa.RecordBatch, folder: str) -> None:
    try:
        writer.write_batch(batch)
    except OSError as error:
        raise SourceError(
            f"the list of rows cannot be written to {folder}: {reason_of(error)}; "
            "set TMPDIR to a folder with more space"
        ) from error


def constant(length: int, values: list[str], number: int = 0) -> pa.DictionaryArray:
    """A column that holds one of `values` `length` times, in four bytes a row.

    An Arrow file has one dictionary for a column, so `values` must be the same in all batches.
    """
    indices = pa.array([number] * length, pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string()))


def check_keys(keys: pa.ChunkedArray, where: str) -> None:
    """Raise a `SourceError` naming the first key that is there twice, and its rows from 0."""
    if repeated := repeated_key(keys):
        rows = pc.indices_nonzero(pc.equal(keys, repeated))[:2].to_pylist()
        raise SourceError(
            f"{where}: the key {repeated!r} is there more than once, in rows {rows[0]} and "
            f"{rows[1]} (counted from 0); keys must be unique"
        )


def public_keys(rows: pa.Table) -> pa.Table:
    """A scanned table whose keys, where they are URLs, have only what may stand in a dataset.

    Raises:
        SourceError: naming two rows whose keys are then the same.
    """
    if not pc.any(pc.match_substring(rows["key"], "://")).as_py():
        return rows
    keys = pa.chunked_array([[marked_place(key) for key in rows["key"].to_pylist()]], pa.string())
    check_keys(keys, "the keys, without what signs their URLs")
    return rows.set_column(rows.column_names.index("key"), "key", keys)


def repeated_key(keys: pa.ChunkedArray) -> str | None:
    """The first key that is there more than once, if any."""
    if pc.count_distinct(keys, mode="all").as_py() == len(keys):
        return None
    counted = pc.value_counts(keys)
    several = counted.filter(pc.greater(counted.field("counts"), 1))
    return str(several[0]["values"].as_py())
