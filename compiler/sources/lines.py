"""CSV and JSON Lines, read in batches of text cells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow import csv

from ..errors import SourceError
from .base import Columns
from .cells import SEVERAL, are_texts
from .places import open_place, reason_of, suffix_of

Cells = list[str | None]

_BYTES_AT_ONCE = 4 << 20
_LINES_AT_ONCE = 20_000


@dataclass(frozen=True)
class LineBatch:
    """Some rows of a file: cells by column, and what is wrong with each row (or None)."""

    cells: dict[str, Cells]
    errors: Cells


def read_csv(place: str, columns: Columns, key: str | None) -> Iterator[LineBatch]:
    """The wanted columns of a CSV file (or, by its suffix, TSV), all as text.

    Raises:
        SourceError: naming the column that is not there, or the row that is not like the others.
    """
    try:
        with open_place(place) as file:
            names = _open_csv(place, file).schema.names
        wanted = _wanted(columns, key, names, place)
        with open_place(place) as file:
            for batch in _open_csv(place, file, wanted):
                cells = {name: batch.column(name).to_pylist() for name in wanted}
                yield LineBatch(cells, [None] * batch.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{place}: {reason_of(error)}; expected CSV with a header") from error


def read_json_lines(place: str, columns: Columns, key: str | None) -> Iterator[LineBatch]:
    """The wanted columns of a file with a JSON object on each line.

    Raises:
        SourceError: naming the line that is no object, or the column that no line has.
    """
    present: set[str] = set()
    try:
        with open_place(place) as file:
            lines = ((number, line) for number, line in enumerate(file, 1) if not line.isspace())
            while chunk := list(islice(lines, _LINES_AT_ONCE)):
                rows = [_parse_line(place, number, line) for number, line in chunk]
                present.update(*rows)
                yield _batch_of_objects(rows, columns, key)
    except OSError as error:
        raise SourceError(f"{place}: {reason_of(error)}; expected JSON Lines") from error
    if present:
        _wanted(columns, key, sorted(present), place)


def _open_csv(place: str, file: Any, wanted: list[str] | None = None) -> csv.CSVStreamingReader:
    return csv.open_csv(
        file,
        csv.ReadOptions(block_size=_BYTES_AT_ONCE, use_threads=False),
        csv.ParseOptions(
            delimiter="\t" if suffix_of(place) == "tsv" else ",", newlines_in_values=True
        ),
        csv.ConvertOptions(
            include_columns=wanted, column_types={name: pa.string() for name in wanted or ()}
        ),
    )


def _wanted(columns: Columns, key: str | None, present: list[str], place: str) -> list[str]:
    columns.check(present, place)
    if key is not None:
        Columns((key,)).check(present, place)
    names = dict.fromkeys([*columns.names, *([key] if key is not None else [])])
    for name in names:
        if present.count(name) > 1:
            raise SourceError(f"{place}: several columns are called {name!r}; rename one")
    return [name for name in names if name in present]


def _parse_line(place: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except ValueError as error:
        raise SourceError(f"{place}, line {number}: not JSON: {error}") from error
    if not isinstance(value, dict):
        found = f"{type(value).__name__} {value!r:.40}"
        raise SourceError(f"{place}, line {number}: expected an object in braces, found {found}")
    return value


def _batch_of_objects(rows: list[dict[str, Any]], columns: Columns, key: str | None) -> LineBatch:
    names = dict.fromkeys([*columns.names, *([key] if key is not None else [])])
    cells = {name: [_text(row.get(name)) for row in rows] for name in names}
    errors = [_problem(row, names) for row in rows]
    return LineBatch(cells, errors)


def _problem(row: dict[str, Any], names: Iterable[str]) -> str | None:
    for name in names:
        value = row.get(name)
        if isinstance(value, dict) or (isinstance(value, list) and not are_texts(value)):
            found = f"{type(value).__name__} {value!r:.40}"
            return f"the column {name!r} holds {found}; expected a text or several"
    return None


def _text(value: Any) -> str | None:
    if isinstance(value, list) and are_texts(value):
        value = SEVERAL.join(text for text in value if text) or None
    if value is None or isinstance(value, list | dict):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    # JSON can spell half a character, which no other text can hold.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
