"""Records of a CSV with the lines on which they stand, checked against the header."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

from .dialect import Dialect

_AT_ONCE = 2_000  # a cell may hold a picture
_QUOTES = (
    "mend the line, or say in the source what quotes mean: `quoting: none` where they are part of "
    'the text, `doubled` where they enclose cells, `backslash` where \\" is a quote in a cell'
)


class MisreadError(Exception):
    """A file is not written as its dialect says: on which line, why, and what to do about it."""

    def __init__(self, line: int, found: str, advice: str = _QUOTES) -> None:
        super().__init__(f"line {line}: {found}; {advice}")


@dataclass(frozen=True)
class Records:
    """Some records: the line on which each begins, from 1, its cells, and its lines."""

    lines: Sequence[int]
    rows: list[list[str]]
    heights: Sequence[int]

    def spanning(self) -> Iterator[tuple[int, list[str]]]:
        """The records that stand on more than one line."""
        for line, row, height in zip(self.lines, self.rows, self.heights, strict=True):
            if height > 1:
                yield line, row


def open_records(text: Iterable[str], dialect: Dialect) -> tuple[list[str], Iterator[Records]]:
    """The header, without blanks around its names, and the records, without empty lines.

    Raises:
        MisreadError: for the header; and while iterating, at a quote that is not as the dialect
            has it, and at a record that has not as many cells as the header.
    """
    reader = dialect.reader(text)
    try:
        header: list[str] = next(filter(None, reader), [])
    except csv.Error as error:
        raise _misread(error, 1, reader.line_num) from error
    return [name.strip() for name in header], _records(reader, len(header), dialect.delimiter)


def split_lines(text: str) -> list[str]:
    """The lines of a text as a table's reader counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _records(reader: Any, width: int, delimiter: str) -> Iterator[Records]:
    while True:
        first, rows, unsound = reader.line_num + 1, [], None
        try:
            for row in islice(reader, _AT_ONCE):
                rows.append(row)  # noqa: PERF402 - those before an error are needed
        except csv.Error as error:
            unsound = error
        heights = _heights(rows, reader.line_num + 1 - first)
        lines = list(accumulate(heights, initial=first))
        records = _without_empty(Records(lines[:-1], rows, heights))
        _check_widths(records, width, delimiter)
        if unsound:
            raise _misread(unsound, lines[-1], reader.line_num)
        if not rows:
            return
        yield records


def _heights(rows: list[list[str]], lines: int) -> Sequence[int]:
    """On how many lines each of some records stands, which stand on `lines` together."""
    if lines == len(rows):
        return [1] * lines
    return [len(split_lines("".join(row))) for row in rows]


def _without_empty(records: Records) -> Records:
    if all(records.rows):
        return records
    kept = [n for n, row in enumerate(records.rows) if row]
    return Records(
        [records.lines[n] for n in kept],
        [records.rows[n] for n in kept],
        [records.heights[n] for n in kept],
    )


def _check_widths(records: Records, width: int, delimiter: str) -> None:
    if set(map(len, records.rows)) <= {width}:
        return
    line, row = next(
        (line, row)
        for line, row in zip(records.lines, records.rows, strict=True)
        if len(row) != width
    )
    raise MisreadError(
        line,
        f"{len(row)} cells divided by {delimiter!r}, and the header has {width}",
        f"put quotes around a cell that holds {delimiter!r}, or choose the `delimiter` of the "
        "source",
    )


def _misread(error: csv.Error, start: int, last: int) -> MisreadError:
    if "end of data" in str(error):
        return MisreadError(start, "a quote opens a cell and is never closed")
    if "expected after" in str(error):
        return MisreadError(last, "text follows a quote that closes a cell")
    return MisreadError(start, str(error))
