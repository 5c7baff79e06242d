"""Where the texts of a folder's rows lie: in folders of their own, beside images, or in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...canvas.findings import Counts, add_up
from .captions import TextFiles, Texts
from .listing import Listing
from .metadata import Metadata


class RowTexts:
    """The texts `columns` of rows whose images lie in the folders `images`, each by column.

    A column that has a folder in `own` is there alone. Of the others, ``caption`` is what the text
    files beside the images say, and each is what a table in the folders says.
    """

    def __init__(
        self, images: Mapping[str, Listing], own: Mapping[str, Listing], columns: Sequence[str]
    ) -> None:
        self._own = list(own.values())
        every = [path for listing in images.values() for path in listing.images]
        others = [column for column in columns if column not in own]
        self._files = {
            column: dict.fromkeys(images, TextFiles(listing, every))
            for column, listing in own.items()
        }
        self._tables: dict[str, Metadata] = {}
        if "caption" in others:
            self._files["caption"] = {n: TextFiles(of, of.images) for n, of in images.items()}
        if others:
            self._tables = {n: Metadata(of, of.images, others) for n, of in images.items()}
        self._telling = {name: table for name, table in self._tables.items() if table.columns}

    @property
    def columns(self) -> set[str]:
        """The columns that are known to be there."""
        said = {column for table in self._tables.values() for column in table.columns}
        return {*self._files, *said}

    def of(self, column: str, images: Mapping[str, str | None]) -> Texts:
        """Find where one text of a row may be, of which `images` are the paths of its images."""
        places: tuple[str, ...] = ()
        said: str | None = None
        files = self._files.get(column)
        for name, path in images.items():
            if path is not None:
                if files:
                    places += files[name].of(path)
                if said is None and name in self._telling:
                    said = self._telling[name].of(path, column)
        return Texts(places if len(places) < 2 else tuple(dict.fromkeys(places)), said)

    @property
    def stamps(self) -> dict[str, str]:
        """The stamps that came with the listings of texts' own folders, by place."""
        return {place: stamp for it in self._own for place, stamp in it.stamps.items()}

    @property
    def counts(self) -> Counts:
        """The findings about the tables."""
        return add_up(table.counts for table in self._tables.values())

    def used(self) -> set[str]:
        """The places of everything that was read or may be."""
        return set().union(*(found.used() for found in self._all()))

    def orphans(self) -> list[str]:
        """The places of texts, and the rows of tables, that belong to no image."""
        return [place for found in self._all() for place in found.orphans()]

    def _all(self) -> Iterator[TextFiles | Metadata]:
        for files in self._files.values():
            yield from dict.fromkeys(files.values())
        yield from self._tables.values()
