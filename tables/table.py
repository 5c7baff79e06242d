"""A table as a source: CSV, JSON Lines or Parquet, with paths of images or their bytes."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import AfterValidator, Field

from ..canvas.findings import Counts, add_up, attach
from ..canvas.row import Columns, Row, Value
from ..common.errors import RowError, SourceError
from .cells import cell_stamps, content_stamps, join_stamps, place_cells, values_of_cells
from .csv_file import csv_columns, read_csv
from .dialect import Quoting, TextFormat
from .lines import Cells, LineBatch, json_columns, read_json_lines
from .mapped import check_keys, map_batches
from .parquet import ParquetRows, parquet_columns, read_parquet_rows
from .places import file_stamp, parent, resolve, suffix_of
from .source import Source, StampKind
from .written_place import place_in

_LINE_FORMATS = {
    "csv": read_csv,
    "tsv": read_csv,
    "jsonl": read_json_lines,
    "ndjson": read_json_lines,
}
_CSV = ("csv", "tsv")
TABLE_SUFFIXES = (*_LINE_FORMATS, "parquet")


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # Python has codecs that are not of text, too
        return codecs.lookup(name).name
    except LookupError as error:
        raise ValueError(f"no such encoding: {name!r}; known: utf-8, cp1252, utf-16, …") from error


class TableSource(Source):
    """Rows of a CSV, JSON Lines or Parquet file.

    Image columns hold paths relative to the table's folder, absolute paths or URLs; in Parquet also
    bytes, or the structs of bytes and path that the Hugging Face Hub's viewer writes. Stamps cover
    the row's cells and the files at its paths; images inside a Parquet file are new as soon as
    that file is (unless stamps are checksums), and URLs are taken to never change.

    Parquet is read by row groups: with images inside, keep to some hundred rows a group.
    """

    kind: Literal["table"] = "table"
    path: str = Field(description="A .csv, .tsv, .jsonl, .ndjson or .parquet file, or its URL.")
    key: str | None = Field(
        default=None, description="The column that names rows; by default their numbers do."
    )
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = Field(
        default=None,
        description="The encoding of a text file, such as cp1252; by default the one that its "
        "first bytes say, or UTF-8.",
    )
    delimiter: str | None = Field(
        default=None,
        pattern=r'^[^"\\\r\n]$',
        description="Delimiter of the cells of a CSV; by default the one that divides its header.",
    )
    quoting: Quoting | None = Field(
        default=None,
        description="Spelling of a quote in a cell of a CSV: `doubled` or behind a `backslash` in "
        "cells in quotes; with `none` quotes are part of the text. By default what the whole file "
        "says.",
    )

    def column_names(self, base: Path) -> list[str]:
        """The table's columns, in their order.

        Raises:
            SourceError: when the table cannot be read.
        """
        place, suffix = self._checked(base)
        if suffix == "parquet":
            return parquet_columns(place)
        return (csv_columns if suffix in _CSV else json_columns)(place, self._said)

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """List the table's rows; see `Source.scan`."""
        place, suffix = self._checked(base)
        if suffix == "parquet":
            parquet = ParquetRows(place, columns, self.key, self.stamp)
            table = map_batches(parquet.schema, parquet.batches())
        else:
            seen: list[Counts] = []
            lines = _LINE_FORMATS[suffix](place, columns, self.key, self._said)
            rows = _line_rows(_noting(lines, seen), columns, self.key, place, self.stamp)
            table = attach(map_batches(_schema(columns), rows), add_up(seen))
        if not len(table):
            raise SourceError(f"{place}: has no rows")
        if self.key is not None:
            _check_key_column(table["key"], self.key, place)
        return table

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the rows of a slice; see `Source.read`."""
        if "row_group" in rows.column_names:
            yield from read_parquet_rows(rows, columns)
            return
        for row in rows.to_pylist():
            yield Row.reading(row["key"], partial(_read_values, row, columns))

    @property
    def _said(self) -> TextFormat:
        return TextFormat(self.encoding, self.delimiter, self.quoting)

    def _checked(self, base: Path) -> tuple[str, str]:
        """The place and the suffix of a file that is there and that the keys are meant for."""
        place = resolve(self.path, base)
        suffix = suffix_of(place)
        _check_file(place, suffix)
        for name in ("delimiter", "quoting"):
            if getattr(self, name) is not None and suffix not in _CSV:
                raise SourceError(
                    f"{place}: {name} is for .csv and .tsv; remove it from the source"
                )
        if self.encoding is not None and suffix == "parquet":
            raise SourceError(f"{place}: encoding is for text files; remove it from the source")
        return place, suffix


def _check_file(place: str, suffix: str) -> None:
    if suffix not in TABLE_SUFFIXES:
        known = ", ".join(f".{name}" for name in TABLE_SUFFIXES)
        hint = "a folder of Parquet files is read by kind: huggingface"
        raise SourceError(f"{place}: not a table by its suffix; expected one of {known}; {hint}")
    try:
        stamp = file_stamp(place, "stat")
    except Exception as error:  # each remote file system has errors of its own
        raise SourceError(f"{place}: cannot be read: {error}") from error
    if stamp == "missing":
        raise SourceError(f"{place}: no such file; expected a table")
    if stamp.startswith("0@"):
        raise SourceError(f"{place}: the file is empty (0 bytes); expected a table")


def _check_key_column(keys: pa.ChunkedArray, column: str, place: str) -> None:
    start = 0
    for chunk in keys.chunks:
        if chunk.null_count:
            row = start + chunk.is_null().index(True).as_py()
            raise SourceError(f"{place}: the key column {column!r} is empty in row {row} (from 0)")
        start += len(chunk)
    check_keys(keys, place)


def _schema(columns: Columns) -> pa.Schema:
    texts = ("key", "stamp", "error", *(f"@{name}" for name in columns.names))
    return pa.schema([(name, pa.string()) for name in texts])


def _read_values(row: dict[str, Any], columns: Columns) -> dict[str, Value]:
    if row["error"]:
        raise RowError("read", row["error"])
    return values_of_cells({n: row[f"@{n}"] for n in columns.names}, columns, "/")


def _noting(batches: Iterator[LineBatch], seen: list[Counts]) -> Iterator[LineBatch]:
    for batch in batches:
        seen.append(batch.counts)
        yield batch


def _line_rows(
    batches: Iterator[LineBatch], columns: Columns, key: str | None, place: str, how: StampKind
) -> Iterator[pa.RecordBatch]:
    """Rows with keys, stamps and absolute places, for batches of cells."""
    folder, start = parent(place), 0
    for batch in batches:
        length = len(batch.errors)
        keys: Cells = [*map(str, range(start, start + length))]
        if key is not None:
            keys = [text or None for text in batch.cells[key]]
        nothing: Cells = [None] * length
        stamps = _line_stamps(batch, columns, folder, how)
        cells = [_absolute(batch.cells[name], folder) for name in columns.images]
        cells += [batch.cells.get(name, nothing) for name in columns.only_texts]
        yield pa.record_batch([keys, stamps, batch.errors, *cells], schema=_schema(columns))
        start += length


def _line_stamps(batch: LineBatch, columns: Columns, folder: str, how: StampKind) -> list[str]:
    images = {name: cell_stamps(batch.cells[name], folder, how) for name in columns.images}
    # A path is part of the row as long as its file is known by size and time only.
    places = columns.images if how == "stat" else ()
    content = [place_cells(batch.cells[name]) for name in places]
    content += [batch.cells[name] for name in columns.only_texts if name in batch.cells]
    return join_stamps(images, content_stamps(content, len(batch.errors)))


def _absolute(paths: Cells, folder: str) -> Cells:
    return [place_in(folder, path) if path and path.strip() else None for path in paths]
