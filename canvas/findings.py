"""Findings: what compiles and may yet be wrong, counted, with examples, and shown.

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

from ..common.secrets import public_text

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
    "mask-readings": Kind(
        "a mask column whose files are read in several ways",
        "look at rows that differ; if they mean the same, say so under `masks` in the recipe, "
        "such as `threshold: 1`",
    ),
    "mask-soft": Kind(
        "a mask with greys between black and white, which was cut at half of the range",
        "say `threshold` under `masks` in the recipe if it is not a picture by mistake",
    ),
    "mask-empty": Kind(
        "a mask that marks nothing, as the recipe allows",
        "take `empty` out of `allow` under `masks` to have such rows rejected",
        is_doubt=False,
    ),
    "mask-full": Kind(
        "a mask that marks everything, as the recipe allows",
        "take `full` out of `allow` under `masks` to have such rows rejected",
        is_doubt=False,
    ),
    "few-levels": Kind(
        "pictures that show a small part of the range of their files, which have more than 8 bits",
        "say which values are black and white: give the panel a `range`, such as minmax",
    ),
    "strange-jpeg": Kind(
        "JPEGs that a strict decoder objects to, so that damage may have passed unseen",
        "look at them; save those that are whole anew",
    ),
    "cut-differently": Kind(
        "pictures of one row that differ in shape, so that other parts of each are shown",
        "name under `align` which columns show the same scene; the other rows are then rejected",
    ),
    "caption-reading": Kind(
        "where texts were found",
        "NAME.txt beside the image NAME counts first",
        is_doubt=False,
    ),
    "several-captions": Kind(
        "several texts for one row that differ",
        "keep the one that is right, or put it first: NAME.txt counts before all others",
    ),
    "default-prompt": Kind(
        "no text, so that the prompt's default was taken",
        "give these rows a text; if the default is meant for all, write it without the column",
    ),
    "several-images": Kind(
        "several images of a row for one column",
        "say under `columns` of the source which extension is meant, or remove the others",
    ),
    "orphan-captions": Kind(
        "texts that belong to no image",
        "name each like its image",
    ),
    "paired-names": Kind(
        "files of one row that are named alike but for case, blanks or the spelling of accents",
        "if they do not belong together, rename one of them",
        is_doubt=False,
    ),
    "unread-pictures": Kind(
        "pictures passed over, whose format is not read",
        "convert them, or move them away",
    ),
    "passed-over": Kind(
        "files that are no data of this recipe, by suffix",
        "if one should have been read, look at its name and at the recipe's columns",
        is_doubt=False,
    ),
    "equal-prompts": Kind(
        "all prompts are equal, though the recipe's prompt names a column",
        "look at that column of the source, and at the names of the caption files",
    ),
    "misaligned": Kind(
        "aligned images that do not show the same at the same place",
        "look at these rows: are files paired that do not belong together, or cut differently? "
        "Columns that need not align are taken out of `align` in the recipe",
    ),
    "copied-target": Kind(
        "a panel of the context that equals the target: there is nothing to learn but copying",
        "look whether a file was paired with itself, or an operation changes nothing",
    ),
    "repeated-target": Kind(
        "rows that teach the same picture as other rows do",
        "remove what is there twice or stands for a missing picture; leave them if several rows of "
        "one picture are meant",
    ),
    "flat-panel": Kind(
        "panels of one colour, or nearly",
        "look at these files: they may be empty, or hold values of a small part of the range",
    ),
    "odd-latents": Kind(
        "latents of a size that no picture has",
        "look at these samples with onepic-inspect --image, and at the model's scaling factor",
    ),
    "unseen-shards": Kind(
        "shards that were made before anything was counted, and whose images nobody looked at",
        "compile the recipe into another folder to know what may be wrong",
        is_doubt=False,
    ),
    "no-context": Kind(
        "a mask that leaves no context",
        "look at the masks of these rows: they may be inverted, or mark everything",
    ),
    "table-reading": Kind(
        "how a table was read, where its name does not say it",
        "if that is wrong, set `encoding`, `delimiter` or `quoting` in the recipe's source",
        is_doubt=False,
    ),
    "table-lines": Kind(
        "rows that stand on several lines of a table, because quotes enclose line breaks",
        "if they are several rows, set `quoting: none` in the recipe's source",
        is_doubt=False,
    ),
}


def kind_of(name: str) -> Kind:
    """A kind by its name; of one that only a newer version knows, a doubt that says so."""
    unknown = Kind(name, "this version of onepic does not know this finding; update it")
    return KINDS.get(name, unknown)


@dataclass(frozen=True)
class Finding:
    """A name in `KINDS`, and what it was seen of, such as ``edit_mask: two values, 0 and 1``."""

    kind: str
    about: str

    def of(self, what: str) -> Finding:
        """Name the part that a finding is of, such as ``column 'depth'``."""
        return Finding(self.kind, f"{what}: {self.about}")


@dataclass(frozen=True)
class Count:
    """The number of rows (or files, or lines) that show a finding, and the first by name."""

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


def found_in_shards(shards: Iterable[tuple[str, Counts | None]]) -> dict[Finding, Count]:
    """Sum up the findings of all shards by name; those that are too old to have any are named."""
    found = list(shards)
    counts = add_up(counts for _, counts in found if counts is not None)
    old = tuple(name for name, counts in found if counts is None)
    if old:
        counts[Finding("unseen-shards", f"of {len(found)} shards")] = Count(
            len(old), old[:EXAMPLES]
        )
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
    """Read the findings that a scanned table brings."""
    return from_data(json.loads((rows.schema.metadata or {}).get(_METADATA, b"[]")))


def _add(counts: dict[Finding, Count], finding: Finding, count: Count) -> None:
    counts[finding] = counts[finding] + count if finding in counts else count
