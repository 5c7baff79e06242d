"""Quotes of a CSV, and what they mean by the evidence of the whole file.

Captions may begin with a quote where a file knows no quoting, and hold line breaks where it does.
Read the wrong way, a quote takes the rows up to the next one into its cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..common.errors import SourceError
from .dialect import Dialect, Quoting
from .embedded import is_embedded
from .places import IMAGE_SUFFIXES, suffix_of
from .records import MisreadError, open_records, split_lines
from .text_file import TextFile

_CHARACTERS_AT_ONCE = 1 << 20
#: Characters that are looked at twice, so that nothing hides between two blocks.
_OVERLAP = 16
_OTHER_ESCAPE = re.compile(r'(?<!\\)(?:\\\\)*\\[^"\\]')


@dataclass(frozen=True)
class _Marks:
    """The signs of quoting that occur in a file."""

    quotes: bool = False
    escaped_quotes: bool = False
    other_escapes: bool = False
    spaced_quotes: bool = False


def choose_quoting(file: TextFile, dialect: Dialect, images: Sequence[str]) -> Dialect:
    """The dialect with what quotes mean, as far as only one meaning makes sense of every line.

    Args:
        file: the table.
        dialect: what is known of it.
        images: the columns that hold images. They tell a row from a line of prose.

    Raises:
        SourceError: naming the first line that makes no sense, and what to choose.
    """
    marks = _look(file, dialect.delimiter)
    if not marks.quotes:
        return dialect
    dialect = replace(dialect, spaced=dialect.spaced or marks.spaced_quotes)
    problems = []
    for quoting in _possible(marks):
        candidate = replace(dialect, quoting=quoting)
        try:
            _check(file, candidate, images)
        except MisreadError as problem:
            problems.append(problem)
        else:
            return candidate
    raise SourceError(f"{file.place}, {problems[0]}")


def _possible(marks: _Marks) -> Iterator[Quoting]:
    yield "doubled"
    if marks.escaped_quotes and not marks.other_escapes:
        yield "backslash"
    yield "none"


def _look(file: TextFile, delimiter: str) -> _Marks:
    spaced = re.compile(rf'{re.escape(delimiter)} +"[^"\r\n{re.escape(delimiter)}]')
    marks, tail = _Marks(), ""
    with file.text() as text:
        while block := text.read(_CHARACTERS_AT_ONCE):
            block = tail + block
            if '"' in block or "\\" in block:
                marks = _Marks(
                    quotes=marks.quotes or '"' in block,
                    escaped_quotes=marks.escaped_quotes or '\\"' in block,
                    other_escapes=marks.other_escapes
                    or ("\\" in block and bool(_OTHER_ESCAPE.search(block))),
                    spaced_quotes=marks.spaced_quotes
                    or (' "' in block and bool(spaced.search(block))),
                )
            tail = block[-_OVERLAP:]
    return marks


def _check(file: TextFile, dialect: Dialect, images: Sequence[str]) -> None:
    """Raise a `MisreadError` unless the whole file makes sense."""
    with file.text() as text:
        header, parts = open_records(text, dialect)
        places = [header.index(name) for name in images if name in header]
        if dialect.quoting == "none":
            _check_plain(1, header, [])
        for part in parts:
            if dialect.quoting == "none":
                for line, row in zip(part.lines, part.rows, strict=True):
                    _check_plain(line, row, places)
            else:
                for line, row in part.spanning():
                    _check_spanning(line, row, places, dialect.delimiter)


def _check_plain(line: int, row: list[str], places: Sequence[int]) -> None:
    """A line of a file without quoting: its images look like images, and no cell is in quotes."""
    if any(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in row):
        raise MisreadError(line, "a cell is in quotes")
    if any(row[n] and not _looks_like_image(row[n]) for n in places):
        raise MisreadError(line, "an image's cell holds other text")


def _check_spanning(line: int, row: list[str], places: Sequence[int], delimiter: str) -> None:
    """A record of several lines: no two of them are rows."""
    lines = split_lines(delimiter.join(row))
    wide = [cells for text in lines if len(cells := text.split(delimiter)) == len(row)]
    rows = [cells for cells in wide if all(_looks_like_image(cells[n]) for n in places)]
    unknown = any(row[n] and not _looks_like_image(row[n]) for n in places)
    if len(rows) > 1 or (unknown and len(wide) > 1):
        last = line + len(lines) - 1
        found = f"a quote encloses the text up to line {last}, of which other lines look like rows"
        raise MisreadError(line, found)


def _looks_like_image(cell: str) -> bool:
    return "://" in cell or suffix_of(cell.strip()) in IMAGE_SUFFIXES or is_embedded(cell)
