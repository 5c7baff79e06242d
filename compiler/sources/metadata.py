"""The table of texts in a folder of images, as Hugging Face's ImageFolder has it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..prompt import is_no_text
from .base import Columns
from .captions import CAPTION_NAMES
from .lines import LineBatch, read_csv, read_json_lines
from .listing import Listing
from .places import name_of
from .spelling import alike

_READERS = {"metadata.csv": read_csv, "metadata.jsonl": read_json_lines}
_FILE = "file_name"


class Metadata:
    """What the tables of a folder and of the folders in it say of its images, by column.

    A table is called ``metadata.csv`` or ``metadata.jsonl`` and names an image by its path from the
    table's folder, in the column ``file_name``. The column ``caption`` may also be called ``text``
    or ``prompt``.
    """

    def __init__(self, listing: Listing, images: Iterable[str], columns: Sequence[str]) -> None:
        names = set(images)
        self._known = {alike(name): name for name in names}
        self._said: dict[str, dict[str, str]] = {column: {} for column in columns}
        self._used: list[str] = []
        self._orphans: dict[str, None] = {}
        for path in _tables(listing):
            place = listing.place(path)
            for file, row in _rows(place, columns):
                self._used.append(place)
                named = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
                image = named if named in names else self._known.get(alike(named))
                if image is None:
                    self._orphans[f"{path}: {file}"] = None
                else:
                    self._add(image, row)

    def _add(self, image: str, row: Mapping[str, str]) -> None:
        for column, text in row.items():
            self._said[column].setdefault(image, text)

    @property
    def columns(self) -> list[str]:
        """The columns of which a table says anything."""
        return [column for column, said in self._said.items() if said]

    def of(self, image: str, column: str) -> str | None:
        """What is said of an image; several texts are joined as `lines` does."""
        return self._said.get(column, {}).get(image)

    def used(self) -> set[str]:
        """The places of the tables."""
        return set(self._used)

    def orphans(self) -> list[str]:
        """The rows whose images are not there."""
        return list(self._orphans)


def _tables(listing: Listing) -> list[str]:
    """The tables, that of the innermost folder first."""
    found = [path for path in listing.paths if name_of(path).lower() in _READERS]
    return sorted(found, key=lambda path: -path.count("/"))


def _rows(place: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The file of each row, and its texts; none of a table that names no files."""
    aliases = CAPTION_NAMES if "caption" in columns else ()
    names = tuple(dict.fromkeys((_FILE, *columns, *aliases)))
    read = _READERS[name_of(place).lower()]
    for batch in read(place, Columns((), names, optional_texts=names), None):
        for number, file in enumerate(batch.cells.get(_FILE, ())):
            if file:
                yield file.replace("\\", "/"), _texts(batch, number, columns)


def _texts(batch: LineBatch, number: int, columns: Sequence[str]) -> dict[str, str]:
    texts = {}
    for column in columns:
        names = CAPTION_NAMES if column == "caption" else (column,)
        cells = (batch.cells[name][number] for name in names if name in batch.cells)
        text = next((cell for cell in cells if not is_no_text(cell)), None)
        if text is not None:
            texts[column] = text
    return texts
