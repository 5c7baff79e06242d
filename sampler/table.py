"""Many samples from a table: a column for each input, others for the prompt."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..canvas.row import Columns, Row
from ..common.errors import SourceError, TaskError
from ..tables.table import TableSource
from .files import write_file

RESULTS = "results.csv"
#: The column that names a row's picture.
NAME = "name"
#: The folder beside the pictures for images that a table holds itself.
INPUTS = "inputs"


@dataclass(frozen=True)
class TableRow:
    """A row: its name, the images by the task's inputs as places or bytes, and its texts."""

    name: str
    images: dict[str, str | bytes]
    values: dict[str, str]


def columns_of(path: Path) -> Sequence[str]:
    """The columns of a table.

    Raises:
        TaskError: naming the file.
    """
    try:
        return TableSource(path=str(path)).column_names(Path.cwd())
    except SourceError as error:
        raise TaskError(str(error)) from error


def read_table(path: Path, inputs: Sequence[str], texts: Sequence[str] = ()) -> list[TableRow]:
    """The rows of a table of any format that the compiler reads, as it reads them.

    Relative paths are relative to the table's folder. Of `texts`, the columns that a prompt
    names, a row has those that are not empty; of several texts in a cell the first.
    A row is called by its column ``name``, with or without ``.png``, or else by its number.

    Raises:
        TaskError: naming the file, and the column, the line or the row.
    """
    source, optional = TableSource(path=str(path)), (*texts, NAME)
    columns = Columns(tuple(inputs), optional, optional)
    try:
        rows = list(source.read(source.scan(columns, Path.cwd()), columns))
    except SourceError as error:
        raise TaskError(str(error)) from error
    return list(_named(path, rows, inputs, texts))


def _named(
    path: Path, rows: Sequence[Row], inputs: Sequence[str], texts: Sequence[str]
) -> Iterator[TableRow]:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        line = f"{path}: row {number + 1}"
        if row.error is not None:
            raise TaskError(f"{line}: {row.error.reason}")
        name = re.sub(r"\.png$", "", _text(row, NAME), flags=re.IGNORECASE) or f"{number:05d}"
        if name != Path(name).name or not name.strip("."):
            raise TaskError(f"{line}: the name {name!r} is not a file's name")
        if name in seen:
            raise TaskError(f"{line}: the name {name!r} is there twice")
        seen.add(name)
        images = {c: cast("str | bytes", row.values[c]) for c in inputs}
        values = {column: text for column in texts if (text := _text(row, column))}
        yield TableRow(name, images, values)


def with_files(row: TableRow, folder: Path) -> dict[str, str]:
    """The row's images as places; those that the table itself holds become files in `folder`.

    A file that is there already is not written again, so that it is not newer than its picture.

    Raises:
        RunError: when a file cannot be written.
    """
    return {
        column: image if isinstance(image, str) else _kept(folder / column / row.name, image)
        for column, image in row.images.items()
    }


def _kept(path: Path, content: bytes) -> str:
    if not (path.is_file() and path.read_bytes() == content):
        write_file(path, content)
    return str(path.absolute())


def _text(row: Row, column: str) -> str:
    value = row.values.get(column)
    if isinstance(value, tuple):
        value = next(iter(value), None)
    return "" if value is None else str(value)


def write_results(folder: Path, results: Sequence[Mapping[str, str]]) -> Path:
    """Write results.csv: for each row its name, its status, and its picture or what went wrong."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["name", "status", "picture", "reason"])
    writer.writeheader()
    writer.writerows(results)
    write_file(folder / RESULTS, text.getvalue().encode())
    return folder / RESULTS
