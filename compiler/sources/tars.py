"""WebDataset tars as a source: one pass over their headers, then any row by its position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ...canvas.findings import Counts, add_up, attach
from ...canvas.row import Columns, Row
from ...common.errors import SourceError
from ...tables.mapped import check_keys, constant, map_batches, repeated_key
from ...tables.places import file_stamp, name_of, resolve, short_sha256
from ...tables.source import Source, StampKind
from .members import (
    Choice,
    Member,
    TarReader,
    find_member,
    image_choices,
    name_choices,
    text_choices,
)
from .patterns import expand
from .tar_index import TAR_NAMES, TarIndex, index_tar
from .unread import count_unread

Choices = dict[str, tuple[Choice, ...]]


class WebDatasetSource(Source):
    """Rows of uncompressed tars, whose members share a name up to the first dot.

    The column ``image`` is the member with an image's extension, ``caption`` is ``txt`` or the JSON
    member's key; any other column X is ``X.png`` (or another image), ``X.txt``, ``X`` or the JSON
    key X.
    Where tars repeat keys, the tar's stem stands before each. Members that are links stand for
    what they lead to.
    """

    kind: Literal["webdataset"] = "webdataset"
    path: str = Field(description="A tar, a folder of tars, a glob, {000..012} or a URL of these.")
    columns: dict[str, str] = Field(
        default={}, description="Extensions by column: source.jpg, txt, or json:caption for a key."
    )

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """Index the tars; see `Source.scan`."""
        place = resolve(self.path, base)
        choices = self._choices(columns)
        found = _Found()
        tars = expand(place, TAR_NAMES, "files ending in .tar")
        batches = _batches(tars, choices, self.stamp, found)
        table = map_batches(_schema(columns.names), batches)
        if not len(table):
            raise SourceError(f"{place}: the tars hold no files named KEY.EXTENSION")
        found.check(columns, choices, place)
        if repeated_key(table["key"]) is not None:
            table = _with_tar_names(table)
            check_keys(table["key"], place)
        return attach(table, found.counts)

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the members of a slice's rows; see `Source.read`."""
        choices = self._choices(columns)
        for tar, rows_of_tar in groupby(rows.to_pylist(), key=itemgetter("tar")):
            with closing(TarReader(tar)) as reader:
                for row in rows_of_tar:
                    values = partial(reader.read_values, row, columns, choices)
                    yield Row.reading(row["key"], values)

    def _choices(self, columns: Columns) -> Choices:
        for name in columns.images:
            if name in self.columns and Choice.parse(self.columns[name]).json_key is not None:
                where = f"source.columns.{name}: {self.columns[name]}"
                raise SourceError(f"{where} is a text, but the recipe uses it as an image")
        images = {name: image_choices(name, self.columns) for name in columns.images}
        return images | {name: text_choices(name, self.columns) for name in columns.only_texts}


class _Found:
    """Things that the index has met: columns, extensions of members, and what nothing reads."""

    def __init__(self) -> None:
        self.columns: set[str] = set()
        self.extensions: dict[str, None] = {}
        self.counts: Counts = {}

    def add(
        self, index: TarIndex, choices: Choices, members: Mapping[str, list[Member | None]]
    ) -> None:
        """Remember the index of one more tar, and where it has the columns."""
        self.columns.update(name for name, column in members.items() if any(column))
        self.extensions.update({extension: None for row in index.rows for extension in row.members})
        self.counts = add_up([self.counts, count_unread(index, choices)])

    def check(self, columns: Columns, choices: Choices, place: str) -> None:
        """Raise a `SourceError` about a column that no row has."""
        try:
            columns.check(sorted(self.columns), place)
        except SourceError as error:
            optional = columns.optional_texts
            absent = [n for n in columns.names if n not in self.columns and n not in optional]
            tried = name_choices(choices[absent[0]])
            present = ", ".join(list(self.extensions)[:20])
            raise SourceError(
                f"{error}; looked for {tried}; the tars hold {present} "
                "behind the first dot of their names"
            ) from None


def _batches(
    tars: list[str], choices: Choices, how: StampKind, found: _Found
) -> Iterator[pa.RecordBatch]:
    """The rows of one tar after the other; what is met on the way goes into `found`."""
    for number, tar in enumerate(tars):
        index = index_tar(tar)
        rows = index.rows
        members = {name: [find_member(row, c) for row in rows] for name, c in choices.items()}
        found.add(index, choices, members)
        stamps = _stamps(tar, len(rows), members, how)
        arrays: list[Any] = [[row.key for row in rows], stamps, [row.problem for row in rows]]
        arrays.append(constant(len(rows), tars, number))
        for column in members.values():
            arrays.append([member and member.offset for member in column])
            arrays.append([member and member.size for member in column])
            arrays.append([member and member.json_key for member in column])
        yield pa.record_batch(arrays, schema=_schema(tuple(members)))


def _schema(names: tuple[str, ...]) -> pa.Schema:
    fields = [("key", pa.string()), ("stamp", pa.string()), ("error", pa.string())]
    fields.append(("tar", pa.dictionary(pa.int32(), pa.string())))
    for name in names:
        fields += [(f"@{name}", pa.int64()), (f"@{name} size", pa.int64())]
        fields.append((f"@{name} key", pa.string()))
    return pa.schema(fields)


def _stamps(
    tar: str, length: int, members: dict[str, list[Member | None]], how: StampKind
) -> list[str]:
    start = [f"tar={file_stamp(tar, 'stat')}"] if how == "stat" else []
    with closing(TarReader(tar)) as reader:
        return [
            " ".join(
                [*start, *(f"{name}={_stamp(reader, of[i], how)}" for name, of in members.items())]
            )
            for i in range(length)
        ]


def _stamp(reader: TarReader, member: Member | None, how: StampKind) -> str:
    if member is None:
        return "missing"
    if how == "stat":
        return f"{member.offset}+{member.size}"
    return short_sha256(reader.read(member))


def _with_tar_names(table: pa.Table) -> pa.Table:
    """Put the tars' stems before the keys of rows."""
    stems = [
        pa.array([name_of(tar).removesuffix(".tar") for tar in chunk.to_pylist()], pa.string())
        for chunk in table["tar"].chunks
    ]
    keys = pc.binary_join_element_wise(pa.chunked_array(stems), table["key"], "/")
    return table.set_column(0, "key", keys)
