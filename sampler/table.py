"""Many samples from a CSV: a column for each input, others for the prompt."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..compiler.errors import TaskError
from ..compiler.strict import suggest
from .files import write_file
from .request import absolute

RESULTS = "results.csv"


@dataclass(frozen=True)
class TableRow:
    """A row: its name, the images by the task's inputs, and the other columns."""

    name: str
    images: dict[str, str]
    values: dict[str, str]


def columns_of(path: Path) -> Sequence[str]:
    """The columns of a CSV.

    Raises:
        TaskError: naming the file.
    """
    return _read(path)[0]


def read_table(path: Path, inputs: Sequence[str]) -> list[TableRow]:
    """The rows of a CSV; relative paths are relative to its folder.

    A row is called by its column ``name``, with or without ``.png``, or else by its number.

    Raises:
        TaskError: naming the file, and the column or the row.
    """
    columns, rows = _read(path)
    for name in inputs:
        if name not in columns:
            raise TaskError(f"{path}: no column {name!r}; {suggest(name, columns)}")
    if not rows:
        raise TaskError(f"{path}: has no rows")
    return list(_named(path, rows, inputs))


def _read(path: Path) -> tuple[Sequence[str], list[dict[str, str]]]:
    """The columns and the rows."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            return reader.fieldnames or [], rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"{path}: cannot be read as CSV: {error}") from error


def _named(
    path: Path, rows: Sequence[Mapping[str, str]], inputs: Sequence[str]
) -> Iterator[TableRow]:
    seen: set[str] = set()
    for number, row in enumerate(rows):
        line = f"{path}: row {number + 1}"
        empty = [column for column in inputs if not row[column]]
        if empty:
            raise TaskError(f"{line}: no image in column {empty[0]!r}")
        name = re.sub(r"\.png$", "", row.get("name") or "", flags=re.IGNORECASE) or f"{number:05d}"
        if name != Path(name).name or not name.strip("."):
            raise TaskError(f"{line}: the name {name!r} is not a file's name")
        if name in seen:
            raise TaskError(f"{line}: the name {name!r} is there twice")
        seen.add(name)
        images = {column: _resolved(path.parent, row[column]) for column in inputs}
        values = {key: value for key, value in row.items() if key and value and key not in images}
        yield TableRow(name, images, values)


def write_results(folder: Path, results: Sequence[Mapping[str, str]]) -> Path:
    """Write results.csv: for each row its name, its status, and its picture or what went wrong."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["name", "status", "picture", "reason"])
    writer.writeheader()
    writer.writerows(results)
    write_file(folder / RESULTS, text.getvalue().encode())
    return folder / RESULTS


def _resolved(folder: Path, place: str) -> str:
    is_whole = "://" in place or Path(place).parts[:1] == ("~",)
    return absolute(place if is_whole else str(folder / place))
