"""What a compile sees that is plausible and may yet be wrong: counted, with examples, and shown.

A row with a finding is compiled all the same. Findings of single rows travel in `Row.findings` and
`PreparedRow.findings`, are counted in each shard's header, and are added up in dataset.json. Those
of a whole source, such as files that it passed over, travel with its scanned table: see `attach`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from .secrets import public_text

#: Rows that are named beside a count.
EXAMPLES = 3
_METADATA = b"onepic.findings"


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    `text` says what was seen, `advice` what to do about it. A doubt may spoil what is learned, and
    is an error under ``--strict``; the other findings only say how the data were understood.
    """

    text: str
    advice: str
    is_doubt: bool = True


#: Every kind by its name, in the order in which they are shown.
KINDS: dict[str, Kind] = {
    "mask-reading": Kind(
        "how a mask was read",
        "if that is not what it means, say so under `masks` in the recipe",
        is_doubt=False,
    ),
}


@dataclass(frozen=True)
class Finding:
    """What was seen: a name in `KINDS`, and of what, such as ``mask edit_mask: values 0 and 1``."""

    kind: str
    about: str


@dataclass(frozen=True)
class Count:
    """In how many rows (or files, or lines) something was found, and the first of them by name."""

    number: int
    examples: tuple[str, ...]

    def __add__(self, later: Count) -> Count:
        return Count(self.number + later.number, (*self.examples, *later.examples)[:EXAMPLES])


Counts = Mapping[Finding, Count]


def count_findings(found: Iterable[tuple[str, Iterable[Finding]]]) -> dict[Finding, Count]:
    """The findings of rows, each with its row's name, in the order of the rows."""
    counts: dict[Finding, Count] = {}
    for name, findings in found:
        for finding in dict.fromkeys(findings):
            _add(counts, finding, Count(1, (name,)))
    return counts


def add_up(parts: Iterable[Counts]) -> dict[Finding, Count]:
    """The counts of several parts, in their order: the examples are the first of all."""
    counts: dict[Finding, Count] = {}
    for part in parts:
        for finding, count in part.items():
            _add(counts, finding, count)
    return counts


def to_data(counts: Counts) -> list[dict[str, Any]]:
    """Counts as plain data, for JSON; sorted, so that equal counts are equal text."""
    return [
        {
            "kind": finding.kind,
            "about": public_text(finding.about),
            "count": counts[finding].number,
            "examples": list(map(public_text, counts[finding].examples)),
        }
        for finding in sorted(counts, key=lambda finding: (finding.kind, finding.about))
    ]


def from_data(data: Iterable[Mapping[str, Any]]) -> dict[Finding, Count]:
    """The inverse of `to_data`."""
    return {
        Finding(item["kind"], item["about"]): Count(item["count"], tuple(item["examples"]))
        for item in data
    }


def attach(rows: pa.Table, counts: Counts) -> pa.Table:
    """A scanned table that brings what was found while it was scanned."""
    if not counts:
        return rows
    metadata = {**(rows.schema.metadata or {}), _METADATA: json.dumps(to_data(counts)).encode()}
    return rows.replace_schema_metadata(metadata)


def attached(rows: pa.Table) -> dict[Finding, Count]:
    """What a scanned table brings."""
    return from_data(json.loads((rows.schema.metadata or {}).get(_METADATA, b"[]")))


def _add(counts: dict[Finding, Count], finding: Finding, count: Count) -> None:
    counts[finding] = counts[finding] + count if finding in counts else count
