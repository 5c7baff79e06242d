"""A folder of images as a source: a single one, or aligned sub-folders matched by stem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from ..errors import RowError, SourceError
from ..strict import suggest
from .base import Columns, Row, Source, Value
from .listing import Listing, list_files, list_folders
from .mapped import check_keys, map_batches
from .matching import Entry, match_folders, match_single
from .places import IMAGE_SUFFIXES, file_stamp, is_folder, read_text, reason_of, resolve

_ROWS_AT_ONCE = 20_000


class FolderSource(Source):
    """Images in a folder and the folders in it.

    A single folder gives the column ``image``. Where each image column is a sub-folder (by its
    name, or by `columns`), a row is the files of one relative stem in all of them; a file without
    its partners is a rejected row. ``stem.txt`` beside an image is its ``caption``; other texts
    come from sub-folders of their names.
    """

    kind: Literal["folder"] = "folder"
    path: str = Field(description="A folder, or its URL.")
    columns: dict[str, str] = Field(
        default={}, description="Sub-folders by column, where they are not called like it."
    )

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """List the images; see `Source.scan`."""
        root = resolve(self.path, base)
        if not is_folder(root):
            raise SourceError(f"{root}: no such folder; expected a folder of images")
        folders = self._image_folders(root, columns)
        texts = self._text_folders(root, columns, folders)
        if folders:
            images = {name: list_files(folder) for name, folder in folders.items()}
        else:
            images = {"image": list_files(root)}
        captions = {name: list_files(folder) for name, folder in texts.items()}
        known = {
            k: v for it in (*images.values(), *captions.values()) for k, v in it.stamps.items()
        }
        if folders:
            entries = match_folders(images, captions, columns.only_texts)
        else:
            entries = match_single(images["image"], captions, columns.only_texts)
        names = (*images, *columns.only_texts)
        table = map_batches(_schema(names), self._batches(entries, names, known))
        if not len(table):
            raise SourceError(_nothing_in(list(images.values())))
        check_keys(table["key"], root)
        return table

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the texts of a slice; images are handed on as places; see `Source.read`."""
        for row in rows.to_pylist():
            yield Row.reading(row["key"], partial(_read_values, row, columns))

    def _image_folders(self, root: str, columns: Columns) -> dict[str, str]:
        """The sub-folder of each image column; none where the folder is a single one."""
        folders = {name: self._sub_folder(root, name) for name in columns.images}
        missing = [name for name, folder in folders.items() if not is_folder(folder)]
        if not missing:
            return folders
        if columns.images == ("image",) and "image" not in self.columns:
            return {}
        present = list_folders(root)
        if any(name in self.columns for name in missing):
            name = next(name for name in missing if name in self.columns)
            hint = suggest(self.columns[name], present)
            raise SourceError(f"{folders[name]}: no such folder for the column {name!r}; {hint}")
        hint = suggest(missing[0], [*present, *self.columns] or ["image"])
        raise SourceError(f"{root}: no sub-folder for the column {missing[0]!r}; {hint}")

    def _text_folders(self, root: str, columns: Columns, images: dict[str, str]) -> dict[str, str]:
        folders = {name: self._sub_folder(root, name) for name in columns.only_texts}
        found = {name: folder for name, folder in folders.items() if is_folder(folder)}
        columns.check({*columns.images, *images, *found, "caption"}, root)
        return found

    def _sub_folder(self, root: str, name: str) -> str:
        return resolve(self.columns.get(name, name), root)

    def _batches(
        self, entries: Iterator[Entry], names: tuple[str, ...], known: dict[str, str]
    ) -> Iterator[pa.RecordBatch]:
        while chunk := list(islice(entries, _ROWS_AT_ONCE)):
            keys, errors, *places = map(list, zip(*chunk, strict=True))
            columns = dict(zip(names, places, strict=True))
            stamps = [self._stamp_of(columns, row, known) for row in range(len(keys))]
            yield pa.record_batch([keys, stamps, errors, *places], schema=_schema(names))

    def _stamp_of(self, columns: dict[str, list[Any]], row: int, known: dict[str, str]) -> str:
        parts = []
        for name, places in columns.items():
            place = places[row]
            if place is None:
                parts.append(f"{name}=missing")
            elif self.stamp == "stat" and place in known:
                parts.append(f"{name}={known[place]}")
            else:
                parts.append(f"{name}={file_stamp(place, self.stamp)}")
        return " ".join(parts)


def _schema(names: Iterable[str]) -> pa.Schema:
    texts = ("key", "stamp", "error", *(f"@{name}" for name in names))
    return pa.schema([(name, pa.string()) for name in texts])


def _read_values(row: dict[str, Any], columns: Columns) -> dict[str, Value]:
    if row["error"]:
        raise RowError("read", row["error"])
    images = {name: row[f"@{name}"] for name in columns.images}
    return images | {name: _read_text(row[f"@{name}"]) for name in columns.only_texts}


def _read_text(place: str | None) -> str | None:
    if place is None:
        return None
    try:
        return read_text(place)
    except UnicodeDecodeError as error:
        reason = f"{place}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise RowError("read", reason) from error
    except Exception as error:  # each remote file system has errors of its own
        raise RowError("read", f"{place} cannot be read: {reason_of(error)}") from error


def _nothing_in(listings: list[Listing]) -> str:
    places = ", ".join(listing.root for listing in listings)
    others = sum(len(listing.paths) for listing in listings)
    suffixes = ", ".join(f".{suffix}" for suffix in IMAGE_SUFFIXES)
    return f"{places}: no images among {others} files there and below; looked for {suffixes}"
