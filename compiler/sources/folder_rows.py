"""The table of a folder's rows, made of what was listed, and how a row is read from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from ...canvas.findings import Finding
from ...canvas.row import Columns, Row, Value
from ...common.errors import RowError
from ...tables.cells import content_stamps
from ...tables.places import file_stamp
from ...tables.source import StampKind
from .captions import Texts, read_texts
from .listing import Listing
from .matching import Match
from .row_texts import RowTexts
from .spelling import stem_of

_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class FolderRows:
    """Rows of listed images and the texts `names`.

    The table has a column ``@NAME`` for each place, several places for a text, and ``=NAME`` for
    what a table says. `stamps` are those that came with remote listings, by place.
    """

    images: Mapping[str, Listing]
    texts: RowTexts
    names: tuple[str, ...]
    stamps: Mapping[str, str]
    how: StampKind

    @property
    def schema(self) -> pa.Schema:
        """The table's columns."""
        names = ("key", "stamp", "error", *(f"@{name}" for name in self.images))
        fields = [(name, pa.string()) for name in names]
        for name in self.names:
            fields += [(f"@{name}", pa.list_(pa.string())), (f"={name}", pa.string())]
        return pa.schema(fields)

    def batches(self, matches: Iterable[Match]) -> Iterator[pa.RecordBatch]:
        """The rows of the matches, in their order."""
        rest = iter(matches)
        while chunk := list(islice(rest, _ROWS_AT_ONCE)):
            yield self._batch(chunk)

    def _batch(self, chunk: list[Match]) -> pa.RecordBatch:
        cells: list[Any] = []
        stamps = []
        for name, listing in self.images.items():
            paths = (match.paths[name] for match in chunk)
            places = [path and listing.place(path) for path in paths]
            cells.append(places)
            stamps.append([f"{name}={self._stamp(place)}" for place in places])
        for name in self.names:
            texts = [self.texts.of(name, match.paths) for match in chunk]
            cells += [[text.places for text in texts], [text.said for text in texts]]
            stamps.append([f"{name}={self._stamp_of_text(text)}" for text in texts])
        keys, errors = [match.key for match in chunk], [match.error for match in chunk]
        joined = list(map(" ".join, zip(*stamps, strict=True)))
        return pa.record_batch([keys, joined, errors, *cells], schema=self.schema)

    def _stamp(self, place: str | None) -> str:
        if place is None:
            return "missing"
        if self.stamps and self.how == "stat" and place in self.stamps:
            return self.stamps[place]
        return file_stamp(place, self.how)

    def _stamp_of_text(self, text: Texts) -> str:
        stamps = [self._stamp(place) for place in text.places]
        if text.said is not None:
            stamps += content_stamps([[text.said]], 1)
        return "+".join(stamps) or "missing"


def read_row(row: Mapping[str, Any], columns: Columns) -> Row:
    """A row of the table; its images are handed on as places."""
    key = row["key"]
    if row["error"]:
        return Row(key, error=RowError("read", row["error"]))
    images = {name: row[f"@{name}"] for name in columns.images}
    values: dict[str, Value] = dict(images)
    findings = [] if _are_called(key, images) else [Finding("paired-names", "images")]
    try:
        for name in columns.only_texts:
            texts = Texts(tuple(row[f"@{name}"]), row[f"={name}"])
            values[name], found = read_texts(name, texts, images)
            findings += found
    except RowError as error:
        return Row(key, error=error)
    return Row(key, values, findings=tuple(findings))


def _are_called(key: str, images: Mapping[str, str]) -> bool:
    """Whether the paths of all images are a row's key, with or without their suffixes."""
    end = f"/{key}"
    return all(path.endswith(end) or stem_of(path).endswith(end) for path in images.values())
