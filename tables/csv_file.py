"""CSV and TSV, read in batches of text cells, in the dialect that the file is written in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..canvas.findings import EXAMPLES, Count, Counts, Finding
from ..canvas.row import Columns
from ..common.errors import SourceError
from .dialect import AS_FOUND, Dialect, TextFormat, find_delimiter, is_spaced
from .lines import Cells, LineBatch, wanted_columns
from .places import name_of, reason_of, suffix_of
from .quoting import choose_quoting
from .records import MisreadError, Records, open_records
from .text_file import TextFile, open_text_file


def read_csv(
    place: str, columns: Columns, key: str | None, said: TextFormat = AS_FOUND
) -> Iterator[LineBatch]:
    """The wanted columns of a CSV file (or, by its suffix, TSV), all as text.

    What `said` leaves open is found out. What is not as everybody would read it is counted.

    Raises:
        SourceError: naming the column that is not there, or the line that makes no sense.
    """
    with _errors_of(place), open_text_file(place, said.encoding) as file:
        dialect = _dialect_of(file, said)
        wanted = wanted_columns(columns, key, _header(file, dialect), place)
        if said.quoting is None:
            dialect = choose_quoting(file, dialect, columns.images)
        counts = _how_read(file, dialect, said)
        with file.text() as text:
            header, parts = open_records(text, dialect)
            at = {name: header.index(name) for name in wanted}
            for part in parts:
                cells: dict[str, Cells] = {
                    name: [row[n] for row in part.rows] for name, n in at.items()
                }
                counts = {**counts, **_counts(part, place, dialect, said)}
                yield LineBatch(cells, [None] * len(part.rows), counts)
                counts = {}


def csv_columns(place: str, said: TextFormat = AS_FOUND) -> list[str]:
    """The names in the header of a CSV or TSV.

    Raises:
        SourceError: when the file cannot be read.
    """
    with _errors_of(place), open_text_file(place, said.encoding) as file:
        return _header(file, _dialect_of(file, said))


@contextmanager
def _errors_of(place: str) -> Iterator[None]:
    try:
        yield
    except MisreadError as error:
        raise SourceError(f"{place}, {error}") from error
    except OSError as error:
        raise SourceError(f"{place}: {reason_of(error)}; expected CSV with a header") from error


def _header(file: TextFile, dialect: Dialect) -> list[str]:
    with file.text() as text:
        return open_records(text, dialect)[0]


def _dialect_of(file: TextFile, said: TextFormat) -> Dialect:
    """Tell the dialect from the first line and the recipe."""
    with file.text() as text:
        header = next((line for line in text if not line.isspace()), "")
    if "\0" in header:
        raise SourceError(
            f"{file.place}, line 1: holds zeros between its letters, as UTF-16 does; save the "
            "file as UTF-8, or choose the source's `encoding: utf-16-le`"
        )
    delimiter = said.delimiter or find_delimiter(header, _usual_delimiter(file.place))
    return Dialect(delimiter, said.quoting or "doubled", is_spaced(header, delimiter))


def _usual_delimiter(place: str) -> str:
    return "\t" if suffix_of(place) == "tsv" else ","


def _how_read(file: TextFile, dialect: Dialect, said: TextFormat) -> Counts:
    """Describe what was found out about a file and is not as its name says."""
    name = name_of(file.place)
    found = []
    if said.delimiter is None and dialect.delimiter != _usual_delimiter(file.place):
        found.append(f"{dialect.delimiter!r} divides the cells")
    if said.quoting is None and dialect.quoting == "backslash":
        found.append(r"\" is a quote in a cell")
    if file.encoding.startswith(("utf-16", "utf-32")):
        found.append(f"it is {file.encoding.upper()}")
    return {Finding("table-reading", f"{name}: {text}"): Count(1, (name,)) for text in found}


def _counts(part: Records, place: str, dialect: Dialect, said: TextFormat) -> Counts:
    """Lines that could be read in another way, too."""
    name = name_of(place)
    found = {Finding("table-lines", name): [line for line, _ in part.spanning()]}
    if dialect.quoting == "none" and said.quoting is None:
        plain = Finding("table-reading", f"{name}: quotes are part of the text")
        rows = zip(part.lines, part.rows, strict=True)
        found[plain] = [line for line, row in rows if any(cell[:1] == '"' for cell in row)]
    return {
        finding: Count(len(lines), tuple(f"line {line}" for line in lines[:EXAMPLES]))
        for finding, lines in found.items()
        if lines
    }
