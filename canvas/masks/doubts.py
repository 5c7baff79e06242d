"""Mask columns whose files do not all speak one language, which no single row can show."""

from __future__ import annotations

from functools import reduce
from operator import add

from ..findings import Count, Counts, Finding
from .values import listed


def differing_readings(counts: Counts) -> dict[Finding, Count]:
    """A finding for each column that was read in several ways.

    It counts the rows that were read in another way than most of the column.
    """
    columns: dict[str, list[tuple[str, Count]]] = {}
    for finding, count in counts.items():
        if finding.kind == "mask-reading":
            column, _, way = finding.about.rpartition(": ")
            columns.setdefault(column, []).append((way, count))
    return dict(_doubt(column, ways) for column, ways in columns.items() if len(ways) > 1)


def _doubt(column: str, ways: list[tuple[str, Count]]) -> tuple[Finding, Count]:
    usual, *others = sorted(ways, key=lambda item: (-item[1].number, item[0]))
    about = f"{column}: mostly {usual[0]}; also {listed((way for way, _ in others), most=3)}"
    return Finding("mask-readings", about), reduce(add, (count for _, count in others))
