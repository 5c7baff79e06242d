"""A folder of images as a source: a single one, or aligned sub-folders matched by stem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from ..errors import RowError, SourceError
from ..findings import EXAMPLES, Count, Counts, Finding, add_up, attach
from ..strict import suggest
from .base import Columns, Row, Source, Value
from .captions import Texts, read_texts
from .cells import content_stamps
from .listing import Listing, list_files, list_folders
from .mapped import check_keys, map_batches
from .matching import Match, match_folders
from .passed import count_files, count_folders, count_orphans
from .places import IMAGE_SUFFIXES_TEXT, file_stamp, is_folder, resolve, suffix_of
from .row_texts import RowTexts

_ROWS_AT_ONCE = 20_000


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
        matches = match_folders(images) if folders else _match_each(images["image"])
        respelt: list[str] = []
        batches = self._batches(matches, images, own, texts, columns, respelt)
        table = map_batches(_schema(images, columns.only_texts), batches)
        if not len(table):
            raise SourceError(_nothing_in(list(images.values())))
        check_keys(table["key"], root)
        return attach(table, _seen(root, [*images.values(), *own.values()], texts, respelt))

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the texts of a slice; images are handed on as places; see `Source.read`."""
        for row in rows.to_pylist():
            yield _read_row(row, columns)

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

    def _batches(
        self,
        matches: Iterator[Match],
        images: Mapping[str, Listing],
        own: Mapping[str, Listing],
        texts: RowTexts,
        columns: Columns,
        respelt: list[str],
    ) -> Iterator[pa.RecordBatch]:
        """The rows; the keys of those whose files are merely `alike` go to `respelt`."""
        known = {k: v for it in (*images.values(), *own.values()) for k, v in it.stamps.items()}
        schema = _schema(images, columns.only_texts)
        while chunk := list(islice(matches, _ROWS_AT_ONCE)):
            respelt += [match.key for match in chunk if match.respelt]
            places = {
                name: [path and listing.place(path) for path in (m.paths[name] for m in chunk)]
                for name, listing in images.items()
            }
            said = {
                name: [texts.of(name, match.paths) for match in chunk]
                for name in columns.only_texts
            }
            yield pa.record_batch(
                [
                    [match.key for match in chunk],
                    self._stamps(places, said, known),
                    [match.error for match in chunk],
                    *places.values(),
                    *(
                        cells
                        for column in said.values()
                        for cells in ([t.places for t in column], [t.said for t in column])
                    ),
                ],
                schema=schema,
            )

    def _stamps(
        self,
        images: Mapping[str, Sequence[str | None]],
        texts: Mapping[str, Sequence[Texts]],
        known: Mapping[str, str],
    ) -> list[str]:
        def of(place: str | None) -> str:
            if place is None:
                return "missing"
            stamp = known.get(place) if self.stamp == "stat" else None
            return stamp or file_stamp(place, self.stamp)

        def of_texts(found: Texts) -> str:
            stamps = list(map(of, found.places))
            if found.said is not None:
                stamps += content_stamps([[found.said]], 1)
            return "+".join(stamps) or "missing"

        columns = [[f"{name}={of(place)}" for place in column] for name, column in images.items()]
        columns += [[f"{name}={of_texts(t)}" for t in column] for name, column in texts.items()]
        return list(map(" ".join, zip(*columns, strict=True)))


def _match_each(listing: Listing) -> Iterator[Match]:
    """The rows of a single folder: each image, by its path."""
    return (Match(path, {"image": path}) for path in listing.images)


def _seen(
    root: str, listings: Sequence[Listing], texts: RowTexts, respelt: Sequence[str]
) -> Counts:
    """What there was in the folders beside the rows."""
    start = f"{root.rstrip('/')}/"
    used = texts.used()
    orphans = [place for place in texts.orphans() if place not in used]
    used.update(orphans)
    others = {listing.place(path): None for listing in listings for path in listing.others}
    folders = {listing.place(path): None for listing in listings for path in listing.left_out}
    counts = add_up(
        [
            texts.counts,
            count_folders(place.removeprefix(start) for place in folders),
            count_files(place.removeprefix(start) for place in others if place not in used),
            count_orphans(place.removeprefix(start) for place in orphans),
        ]
    )
    if respelt:
        paired = Finding("paired-names", "images of aligned folders")
        counts[paired] = Count(len(respelt), tuple(respelt[:EXAMPLES]))
    return counts


def _schema(images: Iterable[str], texts: Iterable[str]) -> pa.Schema:
    fields = [(name, pa.string()) for name in ("key", "stamp", "error", *(f"@{n}" for n in images))]
    for name in texts:
        fields += [(f"@{name}", pa.list_(pa.string())), (f"={name}", pa.string())]
    return pa.schema(fields)


def _read_row(row: Mapping[str, Any], columns: Columns) -> Row:
    if row["error"]:
        return Row(row["key"], error=RowError("read", row["error"]))
    images = {name: row[f"@{name}"] for name in columns.images}
    values: dict[str, Value] = dict(images)
    findings: list[Finding] = []
    try:
        for name in columns.only_texts:
            texts = Texts(tuple(row[f"@{name}"]), row[f"={name}"])
            values[name], found = read_texts(name, texts, images)
            findings += found
    except RowError as error:
        return Row(row["key"], error=error)
    return Row(row["key"], values, findings=tuple(findings))


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
