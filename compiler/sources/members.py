"""Which member of a WebDataset row is which column, and what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ...canvas.row import Columns, Value
from ...common.errors import RowError
from ...tables.cells import text_cell
from ...tables.places import IMAGE_SUFFIXES, open_place, reason_of
from .tar_index import TarRow

_JSON = "json"


@dataclass(frozen=True)
class Member:
    """A place in a tar, in bytes; `json_key` where the column is one key of a JSON member."""

    offset: int
    size: int
    json_key: str | None = None


@dataclass(frozen=True)
class Choice:
    """An extension that a column may have, or a key of the JSON member with that extension."""

    extension: str
    json_key: str | None = None

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read ``source.jpg``, ``.txt`` or ``json:caption``."""
        extension, colon, key = text.partition(":")
        return cls(extension.lstrip(".").lower(), key if colon else None)

    def __str__(self) -> str:
        return self.extension if self.json_key is None else f"{self.extension}:{self.json_key}"


def image_choices(column: str, options: Mapping[str, str]) -> tuple[Choice, ...]:
    """The extensions under which an image column is looked for, in order."""
    if column in options:
        return (Choice.parse(options[column]),)
    bare = [Choice(suffix) for suffix in IMAGE_SUFFIXES] if column == "image" else []
    return (*bare, *(Choice(f"{column.lower()}.{suffix}") for suffix in IMAGE_SUFFIXES))


def text_choices(column: str, options: Mapping[str, str]) -> tuple[Choice, ...]:
    """The extensions and JSON keys under which a text column is looked for, in order."""
    if column in options:
        return (Choice.parse(options[column]),)
    bare = [Choice("txt")] if column == "caption" else []
    name = column.lower()
    return (*bare, Choice(f"{name}.txt"), Choice(name), Choice(_JSON, column))


def name_choices(choices: tuple[Choice, ...]) -> str:
    """The choices for people, in which two suffixes stand for those of all images."""
    names = [str(choice) for choice in choices]
    rare = [name for name in names if name.rpartition(".")[2] in IMAGE_SUFFIXES[2:]]
    if len(rare) < 2:
        return ", ".join(names)
    return f"{', '.join(name for name in names if name not in rare)} or other images"


def find_member(row: TarRow, choices: tuple[Choice, ...]) -> Member | None:
    """The first of the choices that the row has."""
    for choice in choices:
        if choice.extension in row.members:
            return Member(*row.members[choice.extension], choice.json_key)
    return None


class TarReader:
    """Reads members of one tar by their positions; the tar is opened when the first is read."""

    def __init__(self, tar: str) -> None:
        self.tar = tar
        self._file: BinaryIO | None = None

    def close(self) -> None:
        """Close the tar, if it was opened."""
        if self._file is not None:
            self._file.close()

    def read(self, member: Member) -> bytes:
        """The bytes of a member.

        Raises:
            RowError: when the tar is gone or shorter than it was.
        """
        try:
            if self._file is None:
                self._file = open_place(self.tar)
            self._file.seek(member.offset)
            data = self._file.read(member.size)
        except Exception as error:  # each remote file system has errors of its own
            raise RowError("read", f"{self.tar} cannot be read: {reason_of(error)}") from error
        if len(data) != member.size:
            early = member.size - len(data)
            raise RowError("read", f"{self.tar} ends {early} bytes before a member does")
        return data

    def read_values(
        self, row: Mapping[str, Any], columns: Columns, choices: Mapping[str, tuple[Choice, ...]]
    ) -> dict[str, Value]:
        """A scanned row's values; texts that it lacks are left out.

        Raises:
            RowError: when the row is not as it should be or lacks an image.
        """
        if row["error"]:
            raise RowError("read", f"{self.tar}: {row['error']}")
        values: dict[str, Value] = {}
        for name in columns.names:
            where = f"{self.tar}: the column {name!r} of {row['key']}"
            if row[f"@{name}"] is not None:
                member = Member(row[f"@{name}"], row[f"@{name} size"], row[f"@{name} key"])
                data = self.read(member)
                image = name in columns.images
                values[name] = data if image else _text(data, member.json_key, name, where)
            elif name in columns.images:
                tried = name_choices(choices[name])
                raise RowError("read", f"{where} is missing; expected one of {tried}")
        return values


def _text(data: bytes, json_key: str | None, name: str, where: str) -> Value:
    try:
        if json_key is None:
            return data.decode("utf-8-sig").strip()
        found = json.loads(data)
    except ValueError as error:
        raise RowError("read", f"{where} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise RowError("read", f"{where}: the JSON member is not an object")
    return text_cell(found.get(json_key), name)
