"""The table of texts in a folder of images, as Hugging Face's ImageFolder has it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...canvas.findings import Count, Counts, Finding, add_up, attached
from ...canvas.prompt import is_no_text
from ...canvas.row import Columns, Row, Value
from ...tables.cells import SEVERAL
from ...tables.places import name_of
from ...tables.table import TableSource
from .captions import CAPTION_NAMES
from .listing import Listing
from .spelling import alike

_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE = "file_name"


class Metadata:
    """Texts about images in the tables of a folder and of the folders in it, by column.

    A table is called ``metadata.csv``, ``.jsonl`` or ``.parquet`` and names an image by its path
    from the table's folder, in the column ``file_name``. The column ``caption`` may also be called
    ``text`` or ``prompt``.

    Raises:
        SourceError: when a table cannot be read.
    """

    def __init__(self, listing: Listing, images: Sequence[str], columns: Sequence[str]) -> None:
        self._images = {alike(path): path for path in images}
        self._images |= {path: path for path in images}
        self._said: dict[str, dict[str, str]] = {column: {} for column in columns}
        self._used: set[str] = set()
        self._orphans: list[str] = []
        self.counts: Counts = {}
        for path in _tables(listing):
            self._read(listing.place(path), path)

    @property
    def columns(self) -> list[str]:
        """The columns of which a table says anything."""
        return [column for column, said in self._said.items() if said]

    def of(self, image: str, column: str) -> str | None:
        """Look up a text about an image by its path; several are joined by `SEVERAL`."""
        return self._said.get(column, {}).get(image)

    def used(self) -> set[str]:
        """The places of the tables."""
        return self._used

    def orphans(self) -> list[str]:
        """The rows whose images are not there, or that cannot be read."""
        return self._orphans

    def _read(self, place: str, path: str) -> None:
        for row in self._rows(place):
            if row.error is not None:
                self._orphans.append(f"row {row.key} in {path}")
            file = row.values.get(_FILE)
            if not isinstance(file, str) or is_no_text(file):
                continue
            self._used.add(place)
            named = posixpath.join(posixpath.dirname(path), file.replace("\\", "/"))
            image = self._find(posixpath.normpath(named))
            if image is None:
                self._orphans.append(f"{file} in {path}")
            else:
                self._add(image, row.values)

    def _rows(self, place: str) -> Iterator[Row]:
        aliases = CAPTION_NAMES if "caption" in self._said else ()
        names = tuple(dict.fromkeys((_FILE, *self._said, *aliases)))
        source, columns = TableSource(path=place), Columns((), names, optional_texts=names)
        table = source.scan(columns, Path("/"))
        self.counts = add_up([self.counts, attached(table)])
        return source.read(table, columns)

    def _find(self, named: str) -> str | None:
        return self._images.get(named) or self._images.get(alike(named))

    def _add(self, image: str, values: Mapping[str, Value]) -> None:
        for column, said in self._said.items():
            names = CAPTION_NAMES if column == "caption" else (column,)
            texts = (values.get(name) for name in names)
            text = next((text for text in texts if not is_no_text(text)), None)
            if text is not None:
                joined = SEVERAL.join(text) if isinstance(text, tuple) else str(text)
                if said.setdefault(image, joined) != joined:
                    about = f"{column}: the first row of metadata tables counts, another does not"
                    second = {Finding("several-captions", about): Count(1, (image,))}
                    self.counts = add_up([self.counts, second])


def _tables(listing: Listing) -> list[str]:
    """The paths of the tables, that of the innermost folder first."""
    found = [path for path in listing.others if name_of(path).lower() in _NAMES]
    return sorted(found, key=lambda path: -path.count("/"))
