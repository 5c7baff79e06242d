"""Findings as people are told them: on a terminal, in a log, on a page and in a card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..canvas.findings import KINDS, Counts, Kind, kind_of

#: Lines of one kind that are shown before the rest is counted.
_SHOWN = 8


@dataclass(frozen=True)
class Remark:
    """A finding with all that is said of it; `count` rows, files or lines have it."""

    kind: str
    is_doubt: bool
    text: str
    about: str
    count: int
    examples: tuple[str, ...]
    advice: str


def remarks_of(counts: Counts) -> tuple[Remark, ...]:
    """Remarks on findings: doubts first, kinds in their order, the most common first."""
    order = list(KINDS)

    def place(remark: Remark) -> tuple[bool, int, str, int, str]:
        number = order.index(remark.kind) if remark.kind in KINDS else len(order)
        return not remark.is_doubt, number, remark.kind, -remark.count, remark.about

    remarks = (
        _remark(finding.kind, kind_of(finding.kind), finding.about, count.number, count.examples)
        for finding, count in counts.items()
    )
    return tuple(sorted(remarks, key=place))


def remark_lines(remarks: Sequence[Remark]) -> Iterator[str]:
    """Some lines for each kind: what was seen, of what and how often, and what to do."""
    for _, group in groupby(remarks, key=lambda remark: remark.kind):
        some = list(group)
        yield f"{'doubt' if some[0].is_doubt else 'note'}: {printable(some[0].text)}"
        yield from (f"  {count_of(remark)}" for remark in some[:_SHOWN])
        if rest := some[_SHOWN:]:
            yield f"  {len(rest):,} others: {sum(remark.count for remark in rest):,}"
        yield f"  what to do: {printable(some[0].advice)}"


def count_of(remark: Remark) -> str:
    """``panel 'grey': 5 (a.png, b.png, c.png, ...)``: of what, how often and where."""
    named = [printable(name) for name in remark.examples]
    more = ["..."] if remark.count > len(named) and named else []
    where = f" ({', '.join([*named, *more])})" if named else ""
    return f"{printable(remark.about)}: {remark.count:,}{where}"


def doubts_in(remarks: Iterable[Remark]) -> str | None:
    """How many doubts there are and of which kinds, in a line; None where there is none."""
    counts: dict[str, int] = {}
    for remark in remarks:
        if remark.is_doubt:
            counts[remark.text] = counts.get(remark.text, 0) + remark.count
    if not counts:
        return None
    total = sum(counts.values())
    kinds = "; ".join(f"{printable(text)}: {count:,}" for text, count in counts.items())
    return f"{total:,} doubt{'s' if total > 1 else ''}: {kinds}"


def printable(text: str) -> str:
    """A text in one line, without what a terminal would obey: such characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _remark(name: str, kind: Kind, about: str, count: int, examples: tuple[str, ...]) -> Remark:
    return Remark(name, kind.is_doubt, kind.text, about, count, examples, kind.advice)
