"""Rows of a Parquet file, found by row group, so that images in it are read only when needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..canvas.row import Columns, Row, Value
from ..common.errors import RowError, SourceError
from .cells import (
    cell_stamps,
    content_stamps,
    join_stamps,
    place_cells,
    plain_value,
    values_of_cells,
)
from .mapped import constant
from .places import file_stamp, open_place, parent, reason_of
from .source import StampKind

_ROWS_AT_ONCE = 20_000
_IMAGES_AT_ONCE = 32
_IS_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_IS_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)


@dataclass(frozen=True)
class ParquetRows:
    """The scan of a Parquet file: its rows' keys, stamps and positions."""

    place: str
    columns: Columns
    key: str | None
    how: StampKind

    @property
    def schema(self) -> pa.Schema:
        """The scanned table's columns; `row` counts from 0 in the row group."""
        file = pa.dictionary(pa.int32(), pa.string())
        texts = [("key", pa.string()), ("stamp", pa.string()), ("file", file)]
        return pa.schema([*texts, ("row_group", pa.int32()), ("row", pa.int64())])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order.

        Raises:
            SourceError: when the file is broken or lacks a column.
        """
        try:
            with open_place(self.place) as opened:
                yield from self._batches(pq.ParquetFile(opened))
        except (OSError, pa.ArrowException) as error:
            raise _broken(self.place, error) from error

    def _batches(self, file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        inside = self._images_inside(file.schema_arrow)
        stamp = file_stamp(self.place, "stat") if inside and self.how == "stat" else None
        needed = self._needed(file.schema_arrow, inside if stamp else ())
        at_once = _ROWS_AT_ONCE if stamp or not inside else _IMAGES_AT_ONCE
        start = 0
        for group in range(file.num_row_groups):
            row = 0
            for batch in _column_batches(file, group, needed, at_once):
                length = batch.num_rows
                keys = self._keys(batch, start)
                stamps = self._stamps(batch, inside, stamp)
                place = constant(length, [self.place])
                columns = [keys, stamps, place, [group] * length, list(range(row, row + length))]
                yield pa.record_batch(columns, schema=self.schema)
                start, row = start + length, row + length

    def _images_inside(self, schema: pa.Schema) -> tuple[str, ...]:
        """The image columns that hold bytes; all columns are checked on the way."""
        self.columns.check(schema.names, self.place)
        if self.key is not None:
            Columns((self.key,)).check(schema.names, self.place)
        return tuple(n for n in self.columns.images if self._holds_bytes(n, schema.field(n).type))

    def _holds_bytes(self, name: str, kind: pa.DataType) -> bool:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return True
        if any(is_kind(kind) for is_kind in _IS_TEXT):
            return False
        if any(is_kind(kind) for is_kind in _IS_BYTES):
            return True
        expected = "paths, bytes, or structs of bytes and path"
        raise SourceError(f"{self.place}: the column {name!r} holds {kind}; expected {expected}")

    def _needed(self, schema: pa.Schema, excluded: Sequence[str]) -> list[str]:
        names = [*self.columns.names, *([self.key] if self.key is not None else [])]
        return [n for n in dict.fromkeys(names) if n in schema.names and n not in excluded]

    def _keys(self, batch: pa.RecordBatch, start: int) -> list[str | None]:
        if self.key is None:
            return [str(number) for number in range(start, start + batch.num_rows)]
        values = batch.column(self.key).to_pylist()
        return [None if value in (None, "") else str(plain_value(value)) for value in values]

    def _stamps(self, batch: pa.RecordBatch, inside: Sequence[str], stamp: str | None) -> list[str]:
        cells = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        folder, length = parent(self.place), batch.num_rows
        images = {
            name: [stamp] * length
            if stamp and name in inside
            else cell_stamps(cells[name], folder, self.how)
            for name in self.columns.images
        }
        paths = () if self.how == "checksum" else [n for n in self.columns.images if n in cells]
        content = [place_cells(cells[name]) for name in paths]
        content += [cells[name] for name in self.columns.only_texts if name in cells]
        return join_stamps(images, content_stamps(content, length))


def parquet_columns(place: str) -> list[str]:
    """The names of a Parquet file's columns.

    Raises:
        SourceError: when it is broken.
    """
    try:
        with open_place(place) as opened:
            return list(pq.read_schema(opened).names)
    except (OSError, pa.ArrowException) as error:
        raise _broken(place, error) from error


def read_parquet_rows(rows: pa.Table, columns: Columns) -> Iterator[Row]:
    """Read scanned rows; of the file, one row group is in memory at a time."""
    stamps = {file: file_stamp(file, "stat") for file in rows["file"].unique().to_pylist()}
    for row in rows.to_pylist():
        yield Row.reading(row["key"], partial(_read_values, row, stamps[row["file"]], columns))


def _broken(place: str, error: Exception) -> SourceError:
    return SourceError(f"{place}: {reason_of(error)}; expected a complete Parquet file")


def _read_values(row: dict[str, Any], stamp: str, columns: Columns) -> dict[str, Value]:
    place, group, number = row["file"], row["row_group"], row["row"]
    try:
        table = _row_group(place, stamp, group, columns.names)
        cells = {name: table[name][number].as_py() for name in table.column_names}
    except Exception as error:  # Arrow and remote file systems have errors of many kinds
        reason = f"{place}, row group {group}, row {number} cannot be read: {reason_of(error)}"
        raise RowError("read", reason) from error
    return values_of_cells(cells, columns, parent(place))


@lru_cache(maxsize=1)
def _row_group(place: str, _stamp: str, group: int, names: tuple[str, ...]) -> pa.Table:
    # The stamp keeps an edited file from being served as it was.
    with open_place(place) as opened:
        file = pq.ParquetFile(opened)
        present = [name for name in names if name in file.schema_arrow.names]
        return file.read_row_group(group, columns=present)


def _column_batches(
    file: pq.ParquetFile, group: int, names: list[str], at_once: int
) -> Iterator[pa.RecordBatch]:
    if names:
        yield from file.iter_batches(at_once, row_groups=[group], columns=names)
        return
    for start in range(0, length := file.metadata.row_group(group).num_rows, at_once):
        count = min(at_once, length - start)
        yield pa.RecordBatch.from_arrays([pa.nulls(count)], names=[""])
