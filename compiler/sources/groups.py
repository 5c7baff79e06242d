"""Rows that are put together from several rows of another source: subjects, persons, stories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from math import comb
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from ...canvas.findings import attach, attached
from ...canvas.row import Columns, Row, Value
from ...common.errors import RowError, SourceError
from ...tables.mapped import map_batches, public_keys
from ...tables.source import FOLDER, Source
from ...tables.table import TableSource
from .folder import FolderSource
from .huggingface import HuggingFaceSource
from .photos import PhotosSource
from .presets import DreamBenchSource, MagicBrushSource
from .scenes import ScenesSource
from .spelling import natural
from .tars import WebDatasetSource

Member = (
    PhotosSource
    | ScenesSource
    | FolderSource
    | TableSource
    | HuggingFaceSource
    | WebDatasetSource
    | MagicBrushSource
    | DreamBenchSource
)
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class Joined:
    """A row to be: its key and group, the numbers of its members by suffix, or why it has none."""

    key: str
    group: str | None
    members: Mapping[str, int]
    error: str | None = None


class JoiningSource(Source):
    """Reads rows whose columns are those of several members, told apart by a suffix."""

    of: Annotated[Member, Field(discriminator="kind")] = Field(
        description="Source of the members, with options of its own."
    )
    by: str = Field(
        default=FOLDER,
        description="The text column whose equal values make a group; by default the folder in "
        "which a member's file lies.",
    )

    @field_validator("of")
    @classmethod
    def _refuse_group(cls, of: Source) -> Source:
        if of.group is not None:
            raise ValueError("group: members belong to the group that `by` makes; remove the key")
        return of

    def suffixes(self) -> tuple[str, ...]:
        """The end of a column's name for each member."""
        raise NotImplementedError

    def join(self, name: str, keys: Mapping[int, str]) -> Iterator[Joined]:
        """The rows of a group, of whose members `keys` has the numbers and keys, in order."""
        raise NotImplementedError

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """List the members, group them and join them; see `Source.scan`."""
        each = {suffix: _columns_of(columns, suffix, self.suffixes()) for suffix in self.suffixes()}
        everything = _union(each.values(), () if self.by == FOLDER else (self.by,))
        members = public_keys(self.of.scan(everything, base))
        keys = members["key"].to_pylist()
        joined = self._joined(self._groups(members, keys), keys)
        table = map_batches(self._schema(members.schema), self._batches(members, joined))
        return attach(table, attached(members))

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the members of a slice's rows; see `Source.read`."""
        whole = rows.filter(pc.is_null(rows["error"]))
        readers = [self._members(whole, suffix, columns) for suffix in self.suffixes()]
        for key, error in zip(rows["key"].to_pylist(), rows["error"].to_pylist(), strict=True):
            if error is not None:
                yield Row(key, error=RowError("read", error))
            else:
                yield _merge(key, [next(reader) for reader in readers])

    def _members(self, rows: pa.Table, suffix: str, columns: Columns) -> Iterator[tuple[str, Row]]:
        """The members of one suffix, row by row."""
        start = f"{suffix}|"
        names = [name for name in rows.column_names if name.startswith(start)]
        part = rows.select(names).rename_columns([name.removeprefix(start) for name in names])
        wanted = _columns_of(columns, suffix, self.suffixes())
        for row in self.of.read(part, wanted):
            yield suffix, row

    def _groups(self, members: pa.Table, keys: Sequence[str]) -> dict[str | None, list[int]]:
        """The members' numbers by group, in the order in which the groups begin."""
        groups: dict[str | None, list[int]] = {}
        names: Iterator[str | None]
        if self.by == FOLDER:
            names = (key.rpartition("/")[0] for key in keys)
        else:
            rows = self.of.read(members, Columns((), (self.by,)))
            names = (_text(row.values.get(self.by)) for row in rows)
        for number, name in enumerate(names):
            groups.setdefault(name, []).append(number)
        if self.of.named_by_files:
            for numbers in groups.values():
                numbers.sort(key=lambda number: natural(keys[number]))
        return groups

    def _joined(
        self, groups: Mapping[str | None, list[int]], keys: Sequence[str]
    ) -> Iterator[Joined]:
        for name, numbers in groups.items():
            if name is None:
                reason = f"the column {self.by!r}, by which rows are grouped, is empty"
                yield from (Joined(keys[number], None, {}, reason) for number in numbers)
            else:
                yield from self.join(name, {number: keys[number] for number in numbers})

    def _schema(self, members: pa.Schema) -> pa.Schema:
        fields = [(name, pa.string()) for name in ("key", "stamp", "group", "error")]
        for suffix in self.suffixes():
            fields += [(f"{suffix}|{field.name}", _plain(field.type)) for field in members]
        return pa.schema(fields)

    def _batches(self, members: pa.Table, joined: Iterator[Joined]) -> Iterator[pa.RecordBatch]:
        schema = self._schema(members.schema)
        found = False
        while chunk := list(islice(joined, _ROWS_AT_ONCE)):
            found = found or any(row.error is None for row in chunk)
            parts = {
                s: _take(members, [row.members.get(s) for row in chunk]) for s in self.suffixes()
            }
            stamps = [self._stamp(parts, number) for number in range(len(chunk))]
            columns: list[Any] = [[row.key for row in chunk], stamps]
            columns += [[row.group for row in chunk], [row.error for row in chunk]]
            columns += [part[name] for part in parts.values() for name in members.column_names]
            yield pa.record_batch(columns, schema=schema)
        if not found:
            raise SourceError(
                f"no group by {self.by!r} has enough members for {len(self.suffixes())} panels; "
                "name another column in by, or ask for fewer"
            )

    def _stamp(self, parts: Mapping[str, Mapping[str, Any]], number: int) -> str:
        """Join the stamps of all members, each name with its suffix: ``image=... image.1=...``."""
        pieces = []
        for suffix, part in parts.items():
            for piece in (part["stamp"][number].as_py() or "").split():
                name, equals, value = piece.partition("=")
                pieces.append(f"{name}{suffix}{equals}{value}")
        return " ".join(pieces)


class GroupsSource(JoiningSource):
    """Members of a group as references, and another one as the target: a subject, a person.

    ``image`` is a column of the target, ``image.1``, ``image.2`` … are those of its references,
    which are never the target itself.
    """

    kind: Literal["groups"] = "groups"
    references: int = Field(
        default=3, ge=1, le=16, description="Number of members beside the target."
    )
    target: Literal["each", "first", "last"] = Field(
        default="each", description="Members of a group that become targets."
    )
    samples: int | Literal["all"] = Field(
        default=1,
        description="Number of choices of references for each target, drawn by `seed`, or `all` "
        "combinations.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of the choice of references.")

    def suffixes(self) -> tuple[str, ...]:
        """The suffixes: none for the target, numbers for its references."""
        return ("", *(f".{number}" for number in range(1, self.references + 1)))

    def join(self, name: str, keys: Mapping[int, str]) -> Iterator[Joined]:
        """Each target with each choice of references; see `JoiningSource.join`."""
        if len(keys) <= self.references:
            needed = self.references + 1
            yield Joined(name, name, {}, f"the group has {len(keys)} members; {needed} are needed")
            return
        numbers = list(keys)
        targets = {"each": numbers, "first": numbers[:1], "last": numbers[-1:]}[self.target]
        for target in targets:
            others = [number for number in numbers if number != target]
            for count, chosen in enumerate(self._choices(others, keys[target])):
                members = dict(zip(self.suffixes(), (target, *chosen), strict=True))
                yield Joined(f"{keys[target]}+{count}", name, members)

    def _choices(self, others: Sequence[int], key: str) -> Iterator[tuple[int, ...]]:
        possible = comb(len(others), self.references)
        if self.samples == "all" or self.samples >= possible:
            yield from combinations(others, self.references)
            return
        digest = hashlib.sha256(f"{self.seed}\0{key}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        seen: set[frozenset[int]] = set()
        while len(seen) < self.samples:
            chosen = rng.permutation(len(others))[: self.references].tolist()
            if frozenset(chosen) not in seen:
                seen.add(frozenset(chosen))
                yield tuple(others[number] for number in chosen)


class SequencesSource(JoiningSource):
    """Members of a group in their order: the pictures of a story, the views of an object.

    ``image.1`` is a column of the first, ``image.2`` of the second, and so on.
    """

    kind: Literal["sequences"] = "sequences"
    length: int = Field(default=4, ge=2, le=16, description="Number of members in a row.")
    step: int | None = Field(
        default=None,
        ge=1,
        description="Number of members from one row to the next; by default `length`.",
    )

    def suffixes(self) -> tuple[str, ...]:
        """Numbers from 1."""
        return tuple(f".{number}" for number in range(1, self.length + 1))

    def join(self, name: str, keys: Mapping[int, str]) -> Iterator[Joined]:
        """Each run of members; see `JoiningSource.join`."""
        numbers = list(keys)
        if len(numbers) < self.length:
            reason = f"the group has {len(keys)} members; {self.length} are needed"
            yield Joined(name, name, {}, reason)
            return
        for start in range(0, len(numbers) - self.length + 1, self.step or self.length):
            part = numbers[start : start + self.length]
            yield Joined(keys[part[0]], name, dict(zip(self.suffixes(), part, strict=True)))


def _columns_of(columns: Columns, suffix: str, suffixes: Sequence[str]) -> Columns:
    """List what a recipe reads of the members with a suffix, by the names they have themselves."""
    others = [other for other in suffixes if other and other != suffix]

    def own(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            name.removesuffix(suffix)
            for name in names
            if name.endswith(suffix) and not any(name.endswith(other) for other in others)
        )

    return Columns(own(columns.images), own(columns.texts), own(columns.optional_texts))


def _union(several: Any, texts: Sequence[str]) -> Columns:
    """Unite the columns of all members, and `texts`."""
    parts = list(several)

    def merged(field: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in parts for name in getattr(part, field)))

    every = Columns(merged("images"), merged("texts"), merged("optional_texts"))
    return replace(every, texts=tuple(dict.fromkeys([*every.texts, *texts])))


def _merge(key: str, members: Sequence[tuple[str, Row]]) -> Row:
    """The row of all members' values, each name with its member's suffix."""
    values: dict[str, Value] = {}
    for suffix, row in members:
        if row.error is not None:
            error = RowError(row.error.stage, f"{row.key}: {row.error.reason}")
            return Row(key, error=error)
        values |= {f"{name}{suffix}": value for name, value in row.values.items()}
    return Row(key, values, findings=tuple(found for _, row in members for found in row.findings))


def _take(members: pa.Table, numbers: Sequence[int | None]) -> dict[str, pa.Array]:
    """Rows of the members' table, null where there is none."""
    taken = members.take(pa.array(numbers, pa.int64()))
    return {
        name: taken[name].cast(_plain(taken[name].type)).combine_chunks()
        for name in taken.column_names
    }


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _text(value: Value) -> str | None:
    return None if value in (None, "") else str(value)
