"""Cells of tables: which are texts, which are images, and the stamps of rows made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from ..canvas.row import Columns, Value
from ..common.errors import RowError
from ..common.secrets import unsigned_place
from .embedded import embedded_bytes, is_embedded
from .places import file_stamp, is_url, short_sha256
from .source import StampKind
from .written_place import is_too_long, place_in

#: Between several texts where a list of rows has one string for each cell.
SEVERAL = "\x1e"


def image_cell(value: Any, folder: str, column: str) -> str | bytes:
    """An image cell as bytes or as a place; relative paths lie in `folder`.

    Raises:
        RowError: when the cell is empty or is no image.
    """
    if isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
        value = path if content is None else content
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and value and not value.isspace():
        return _image_text(value, folder, column)
    found = "nothing" if value is None or isinstance(value, str) else _shown(value)
    raise RowError("read", f"the column {column!r} holds {found}; expected a path or bytes")


def _image_text(text: str, folder: str, column: str) -> str | bytes:
    if is_embedded(text):
        return embedded_bytes(text, column)
    if is_too_long(text):
        found = f"{len(text)} characters that begin with {text[:40]!r}"
        expected = "a path, or an image in base64"
        raise RowError("read", f"the column {column!r} holds {found}; expected {expected}")
    return place_in(folder, text)


def are_texts(values: Sequence[Any]) -> bool:
    """Whether a list is one of texts, some of which may be missing."""
    return all(text is None or isinstance(text, str) for text in values)


def text_cell(value: Any, column: str) -> Value:
    """A cell that can fill a prompt: a single value, or a list of texts.

    Dates, times and decimals are written out, and bytes are taken for UTF-8.

    Raises:
        RowError: when it is anything else.
    """
    value = plain_value(value)
    if isinstance(value, str) and SEVERAL in value:
        return tuple(value.split(SEVERAL))
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list) and are_texts(value):
        return tuple(text for text in value if text)
    found = _shown(value)
    raise RowError("read", f"the column {column!r} holds {found}; expected a text or several")


def plain_value(value: Any) -> Any:
    """A cell's value as text, where it is a date, a time, a decimal or text in bytes."""
    if isinstance(value, date | time | timedelta):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.40}"


def values_of_cells(cells: Mapping[str, Any], columns: Columns, folder: str) -> dict[str, Value]:
    """A row's values from a table's cells; columns that the table lacks are left out.

    Raises:
        RowError: when a cell is not what its column needs.
    """
    images = {name: image_cell(cells.get(name), folder, name) for name in columns.images}
    texts = {name: text_cell(cells[name], name) for name in columns.only_texts if name in cells}
    return {**images, **texts}


def cell_stamps(values: Sequence[Any], folder: str, how: StampKind) -> list[str]:
    """The stamps of one image column: of the files at its paths, or of its bytes.

    A URL is ``remote`` unless the stamp is a checksum: asking a server about every image would
    take longer than compiling them.
    """
    stamps = []
    for value in values:
        if isinstance(value, Mapping):
            value = value.get("path") if value.get("bytes") is None else value["bytes"]
        if isinstance(value, bytes):
            stamps.append(short_sha256(value))
        elif isinstance(value, str) and value:
            stamps.append(_text_stamp(value, folder, how))
        else:
            stamps.append("missing")
    return stamps


def _text_stamp(text: str, folder: str, how: StampKind) -> str:
    place = place_in(folder, text)
    if is_embedded(place):
        return short_sha256(text.encode("utf-8", "replace"))
    return "remote" if how == "stat" and is_url(place) else file_stamp(place, how)


def content_stamps(columns: Sequence[Sequence[Any]], length: int) -> list[str]:
    """Eight hexadecimal digits for what each row's cells say: an edited caption gives others."""
    if not columns:
        return [_digest(())] * length
    return [_digest(cells) for cells in zip(*columns, strict=True)]


def place_cells(values: Sequence[Any]) -> list[Any]:
    """Image cells as their rows' stamps know them: a URL that is signed anew is the same."""
    # Of a million paths none is looked at more closely: planning them takes seconds as it is.
    return [
        value if type(value) is str and "://" not in value else _place_cell(value)
        for value in values
    ]


def _place_cell(value: Any) -> Any:
    if isinstance(value, Mapping) and isinstance(value.get("path"), str):
        return {**value, "path": unsigned_place(value["path"])}
    return unsigned_place(value) if isinstance(value, str) else value


def join_stamps(images: dict[str, list[str]], content: list[str]) -> list[str]:
    """``image=18231@1719832000000000000 row=5f3a90c1`` for each row."""
    named = [[f"{name}={stamp}" for stamp in stamps] for name, stamps in images.items()]
    rows = [f"row={digest}" for digest in content]
    return [" ".join(parts) for parts in zip(*named, rows, strict=True)]


def _digest(cells: tuple[Any, ...]) -> str:
    return hashlib.blake2b(repr(cells).encode("utf-8", "replace"), digest_size=4).hexdigest()
