"""How a CSV is written: what divides its cells, and what a quote means."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

#: A cell in quotes has its own quotes twice or behind a backslash; or quotes are mere text.
Quoting = Literal["doubled", "backslash", "none"]

_DELIMITERS = (",", ";", "\t", "|")

# A cell may hold a picture as text, for which the module's own limit is too low. A limit there must
# be: a quote that is never closed makes a cell of the rest of the file.
csv.field_size_limit(1 << 27)


@dataclass(frozen=True)
class TextFormat:
    """The keys of a recipe about a table's text; None is found out."""

    encoding: str | None = None
    delimiter: str | None = None
    quoting: Quoting | None = None


#: Where a recipe says nothing.
AS_FOUND = TextFormat()


@dataclass(frozen=True)
class Dialect:
    """How the cells of a CSV are told apart; `spaced` where blanks follow the delimiters."""

    delimiter: str
    quoting: Quoting = "doubled"
    spaced: bool = False

    def reader(self, lines: Iterable[str]) -> Any:
        """A reader of the standard library, which raises `csv.Error` at an unsound quote."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            skipinitialspace=self.spaced,
            strict=True,
            quoting=csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL,
            doublequote=self.quoting == "doubled",
            escapechar="\\" if self.quoting == "backslash" else None,
        )


def find_delimiter(header: str, usual: str) -> str:
    """Find what divides the names in a header: `usual`, unless only another one does."""
    dividing = [mark for mark in _DELIMITERS if _divides(mark, header)]
    return dividing[0] if usual not in dividing and len(dividing) == 1 else usual


def is_spaced(header: str, delimiter: str) -> bool:
    """Whether a blank follows each delimiter in a header: ``image, caption``."""
    return header.count(f"{delimiter} ") == header.count(delimiter) > 0


def _divides(delimiter: str, header: str) -> bool:
    names: Iterator[list[str]] = csv.reader([header], delimiter=delimiter)
    return len(next(names, [])) > 1
