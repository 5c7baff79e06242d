"""A folder of images as a source: a single one, or aligned sub-folders matched by stem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from ...canvas.findings import add_up, attach
from ...canvas.row import Columns, Row
from ...common.errors import SourceError
from ...common.strict import suggest
from ...tables.mapped import check_keys, map_batches
from ...tables.places import IMAGE_SUFFIXES_TEXT, is_folder, resolve, suffix_of
from ...tables.source import Source
from .folder_rows import FolderRows, read_row
from .listing import Listing, list_files, list_folders
from .matching import Match, match_folders
from .passed import count_passed
from .row_texts import RowTexts


class FolderSource(Source):
    """Images in a folder and the folders in it.

    A single folder gives the column ``image``. Where each image column is a sub-folder (by its
    name, or by `columns`), a row is the files of one relative stem in all of them; a file without
    its partners is a rejected row. ``stem.txt`` beside an image is its ``caption``, and so are what
    `TextFiles` and `Metadata` find; other texts come from sub-folders of their names, or from
    the metadata as well.
    """

    named_by_files: ClassVar[bool] = True

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
        images = {n: list_files(place) for n, place in (folders or {"image": root}).items()}
        own = {n: list_files(place) for n, place in self._text_folders(root, columns).items()}
        texts = RowTexts(images, own, columns.only_texts)
        columns.check({*columns.images, *images, *texts.columns, "caption"}, root)
        known = {k: v for listing in images.values() for k, v in listing.stamps.items()}
        rows = FolderRows(images, texts, columns.only_texts, known | texts.stamps, self.stamp)
        matches = match_folders(images) if folders else _match_each(images["image"])
        table = map_batches(rows.schema, rows.batches(matches))
        if not len(table):
            raise SourceError(_nothing_in(list(images.values())))
        check_keys(table["key"], root)
        listings = [*images.values(), *own.values()]
        passed = count_passed(root, listings, texts.used(), texts.orphans())
        return attach(table, add_up([texts.counts, passed]))

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the texts of a slice; images are handed on as places; see `Source.read`."""
        for row in rows.to_pylist():
            yield read_row(row, columns)

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

    def _text_folders(self, root: str, columns: Columns) -> dict[str, str]:
        folders = {name: self._sub_folder(root, name) for name in columns.only_texts}
        return {name: folder for name, folder in folders.items() if is_folder(folder)}

    def _sub_folder(self, root: str, name: str) -> str:
        return resolve(self.columns.get(name, name), root)


def _match_each(listing: Listing) -> Iterator[Match]:
    """The rows of a single folder: each image, by its path."""
    return (Match(path, {"image": path}) for path in listing.images)


def _nothing_in(listings: list[Listing]) -> str:
    places = ", ".join(listing.root for listing in listings)
    others = [path for listing in listings for path in listing.paths]
    suffixes = Counter(f".{suffix_of(path)}" for path in others if suffix_of(path))
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5))
    found = f"no images among {len(others)} files there and below{kinds and f' ({kinds})'}"
    hint = ""
    if suffixes[".parquet"] or suffixes[".arrow"]:
        hint = "; a folder of Parquet files is read by kind: huggingface"
    elif suffixes[".tar"]:
        hint = "; a folder of tars is read by kind: webdataset"
    return f"{places}: {found}; looked for {IMAGE_SUFFIXES_TEXT}{hint}"
