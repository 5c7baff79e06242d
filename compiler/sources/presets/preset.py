"""The base of the presets: a table of places and texts, and rows that are read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from ....canvas.row import Columns, Row, Value
from ....common.errors import RowError, SourceError
from ....tables.cells import content_stamps, join_stamps
from ....tables.mapped import check_keys, map_batches
from ....tables.places import file_stamp, is_folder, resolve
from ....tables.source import Source
from .files import File, Item

_ROWS_AT_ONCE = 20_000


class Preset(Source):
    """A dataset of a known layout. Only what the columns of a recipe need has to be there."""

    path: str = Field(description="The unpacked download: a folder, or its URL.")

    #: What is said of the layout where a part of it is missing.
    layout: ClassVar[str]
    #: The image columns, and the files that each is made of where the download has them all.
    images: ClassVar[Mapping[str, tuple[str, ...]]]
    texts: ClassVar[tuple[str, ...]] = ()
    #: Higher when a row is made in another way of the same files.
    version: ClassVar[int] = 1

    def files_of(self, root: str, names: Sequence[str]) -> list[str]:  # noqa: ARG002 - some look
        """The files that the image columns `names` are made of, of those that are at `root`.

        Raises:
            SourceError: when it has nothing that one of them can be made of.
        """
        return list(dict.fromkeys(file for name in names for file in self.images[name]))

    def items(self, root: str, files: Sequence[str], columns: Columns) -> Iterator[Item]:
        """The rows of the download at `root`, with `files` and the texts of `columns`.

        Raises:
            SourceError: when a part of the layout that they need is missing.
        """
        raise NotImplementedError

    def pictures(
        self,
        key: str,  # noqa: ARG002 - some say in it of what kind the row is
        files: Mapping[str, str],
        names: Sequence[str],
    ) -> Mapping[str, Value]:
        """The image columns `names` of a row, of the places of what `files_of` said.

        Raises:
            RowError: when one cannot be made.
        """
        return {name: files[self.images[name][0]] for name in names}

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """List the rows; see `Source.scan`."""
        columns.check_kinds(tuple(self.images), self.texts, f"source {self.kind}")
        root = resolve(self.path, base).rstrip("/")
        if not is_folder(root):
            raise SourceError(f"{root}: no such folder; expected {self.layout}")
        files = self.files_of(root, columns.images)
        texts = [name for name in columns.only_texts if name in self.texts]
        batches = self._batches(self.items(root, files, columns), root, files, texts)
        table = map_batches(_schema(files, texts), batches)
        if not len(table):
            raise SourceError(f"{root}: has no rows; expected {self.layout}")
        check_keys(table["key"], root)
        return table

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the rows of a slice; files are handed on as places; see `Source.read`."""
        for row in rows.to_pylist():
            yield Row.reading(row["key"], partial(self._values, row, columns))

    def _values(self, row: Mapping[str, Any], columns: Columns) -> dict[str, Value]:
        if row["error"]:
            raise RowError("read", row["error"])
        files = {name[1:]: place for name, place in row.items() if name.startswith("@")}
        texts = {name: row[f"={name}"] for name in columns.only_texts if f"={name}" in row}
        return {**self.pictures(row["key"], files, columns.images), **texts}

    def _batches(
        self, items: Iterator[Item], root: str, files: Sequence[str], texts: Sequence[str]
    ) -> Iterator[pa.RecordBatch]:
        while chunk := list(islice(items, _ROWS_AT_ONCE)):
            found = {name: [item.files[name] for item in chunk] for name in files}
            places = [[file and file.place for file in column] for column in found.values()]
            said = [[item.texts.get(name) for item in chunk] for name in texts]
            stamps = {name: list(map(self._stamp, column)) for name, column in found.items()}
            # A path is part of the row as long as its file is known by size and time only.
            paths = [[(place or "").removeprefix(root) for place in column] for column in places]
            made = [f"{self.kind} {self.version}"] * len(chunk)
            covered = [made, *(paths if self.stamp == "stat" else ()), *said]
            columns = [
                [item.key for item in chunk],
                join_stamps(stamps, content_stamps(covered, len(chunk))),
                [item.error for item in chunk],
                [item.group for item in chunk],
            ]
            yield pa.record_batch([*columns, *places, *said], schema=_schema(files, texts))

    def _stamp(self, file: File | None) -> str:
        if file is None:
            return "missing"
        if self.stamp == "stat" and file.stamp is not None:
            return file.stamp
        return file_stamp(file.place, self.stamp)


def _schema(files: Sequence[str], texts: Sequence[str]) -> pa.Schema:
    columns = (*(f"@{name}" for name in files), *(f"={name}" for name in texts))
    return pa.schema([(name, pa.string()) for name in ("key", "stamp", "error", "group", *columns)])
