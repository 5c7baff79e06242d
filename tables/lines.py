"""Batches of text cells, and JSON Lines read into them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..canvas.findings import Counts
from ..canvas.row import Columns
from ..common.errors import SourceError
from .cells import SEVERAL, are_texts
from .dialect import AS_FOUND, TextFormat
from .places import reason_of
from .text_file import TextFile, open_text_file

Cells = list[str | None]

_CHARACTERS_AT_ONCE = 4 << 20
#: The key of an object that has a key twice: with that key, where the two values differ.
_TWICE = "\0twice"


@dataclass(frozen=True)
class LineBatch:
    """Some rows of a file: cells by column, and what is wrong with each row (or None).

    `counts` are what was found in these lines.
    """

    cells: dict[str, Cells]
    errors: Cells
    counts: Counts = field(default_factory=dict)


def read_json_lines(
    place: str, columns: Columns, key: str | None, said: TextFormat = AS_FOUND
) -> Iterator[LineBatch]:
    """The wanted columns of a file with a JSON object on each line.

    Raises:
        SourceError: naming the line that is no object, or the column that no line has.
    """
    present: set[str] = set()
    for rows in _objects(place, said):
        present.update(*rows)
        yield _batch_of_objects(rows, columns, key)
    if present:
        wanted_columns(columns, key, sorted(present - {_TWICE}), place)


def json_columns(place: str, said: TextFormat = AS_FOUND) -> list[str]:
    """The keys that any object of a JSON Lines file has, in the order in which they come.

    Raises:
        SourceError: as `read_json_lines` does.
    """
    present: dict[str, Any] = {}
    for rows in _objects(place, said):
        for row in rows:
            present.update(row)
    return [name for name in present if name != _TWICE]


def wanted_columns(columns: Columns, key: str | None, present: list[str], place: str) -> list[str]:
    """Choose the columns that a file has, and the key.

    Raises:
        SourceError: naming one that is needed and not there, or there more than once.
    """
    columns.check(present, place)
    if key is not None:
        Columns((key,)).check(present, place)
    names = dict.fromkeys([*columns.names, *([key] if key is not None else [])])
    for name in names:
        if present.count(name) > 1:
            raise SourceError(f"{place}: several columns are called {name!r}; rename one")
    return [name for name in names if name in present]


def _objects(place: str, said: TextFormat) -> Iterator[list[dict[str, Any]]]:
    try:
        with open_text_file(place, said.encoding) as file:
            yield from _parsed(file)
    except OSError as error:
        raise SourceError(f"{place}: {reason_of(error)}; expected JSON Lines") from error


def _parsed(file: TextFile) -> Iterator[list[dict[str, Any]]]:
    decoder, number = json.JSONDecoder(object_pairs_hook=_object), 0
    with file.text(newline="\n") as text:
        while lines := text.readlines(_CHARACTERS_AT_ONCE):
            numbered = enumerate(lines, number + 1)
            yield [
                _parse_line(file.place, at, line, decoder)
                for at, line in numbered
                if not line.isspace()
            ]
            number += len(lines)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        made[_TWICE] = next((name for name, value in pairs if value != made[name]), None)
    return made


def _parse_line(place: str, number: int, line: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    where = f"{place}, line {number}"
    try:
        value = decoder.decode(line)
    except ValueError as error:
        raise SourceError(f"{where}: not JSON: {error}") from error
    if isinstance(value, list):
        expected = "an object in braces on each line"
        raise SourceError(f"{where}: expected {expected}, found a list of {len(value)}")
    if not isinstance(value, dict):
        found = f"{type(value).__name__} {value!r:.40}"
        raise SourceError(f"{where}: expected an object in braces, found {found}")
    return value


def _batch_of_objects(rows: list[dict[str, Any]], columns: Columns, key: str | None) -> LineBatch:
    names = dict.fromkeys([*columns.names, *([key] if key is not None else [])])
    cells = {name: [_text(row.get(name)) for row in rows] for name in names}
    errors = [_problem(row, names) for row in rows]
    return LineBatch(cells, errors)


def _problem(row: Mapping[str, Any], names: Collection[str]) -> str | None:
    if _TWICE in row and row[_TWICE] in names:
        return f"the key {row[_TWICE]!r} is there twice, with two values; keep one"
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
