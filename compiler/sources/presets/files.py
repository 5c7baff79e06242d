"""The folders and files that the layout of a download has, and what is said when one is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....common.errors import SourceError
from ....tables.places import IMAGE_SUFFIXES_TEXT, file_stamp, is_folder, open_place, reason_of
from ..listing import list_files
from ..spelling import stem_of


@dataclass(frozen=True)
class File:
    """Where a file lies, and the stamp that came with a remote listing."""

    place: str
    stamp: str | None = None


@dataclass(frozen=True)
class Images:
    """The images below `folder`, by their relative paths without suffixes."""

    folder: str
    by_stem: Mapping[str, File]

    @classmethod
    def below(cls, folder: str) -> Images:
        """List a folder; of images that differ in their suffixes only, the first one counts.

        Raises:
            SourceError: when it cannot be listed.
        """
        listing = list_files(folder)
        found: dict[str, File] = {}
        for path in listing.images:
            place = listing.place(path)
            found.setdefault(stem_of(path), File(place, listing.stamps.get(place)))
        return cls(listing.root, found)

    def find(self, stems: Sequence[str]) -> File | None:
        """The image of the first of the stems that there is."""
        return next((self.by_stem[stem] for stem in stems if stem in self.by_stem), None)


@dataclass(frozen=True)
class Item:
    """A row to be: its files by the names that a preset gives them, or why it cannot be one.

    `group` is what it belongs to, where the layout tells.
    """

    key: str
    files: Mapping[str, File | None]
    texts: Mapping[str, str | None] = field(default_factory=dict)
    error: str | None = None
    group: str | None = None

    @classmethod
    def of(
        cls,
        key: str,
        folders: Mapping[str, Images],
        stems: Mapping[str, Sequence[str]],
        texts: Mapping[str, str | None],
        group: str | None = None,
    ) -> Item:
        """The row whose files lie in `folders`, each called like one of its `stems`."""
        files = {name: images.find(stems[name]) for name, images in folders.items()}
        reasons = [
            f"no file for {name!r}; expected {folders[name].folder}/{stems[name][0]} with any of "
            + IMAGE_SUFFIXES_TEXT
            for name, file in files.items()
            if file is None
        ]
        return cls(key, files, texts, "; ".join(reasons) or None, group)


def find_folder(root: str, names: Sequence[str], layout: str) -> str:
    """The first of the folders that is in `root`.

    Raises:
        SourceError: when there is none, with the layout that was expected.
    """
    for name in names:
        if is_folder(place := f"{root}/{name}"):
            return place
    others = "".join(f" (nor {name}/)" for name in names[1:])
    raise SourceError(f"{root}/{names[0]}: no such folder{others}; expected {layout}")


def is_file(place: str) -> bool:
    """Whether a file is there.

    Raises:
        SourceError: when a remote store cannot be asked.
    """
    try:
        return file_stamp(place, "stat") != "missing"
    except Exception as error:  # each remote file system has errors of its own
        raise SourceError(f"{place}: cannot be reached: {reason_of(error)}") from error


def read_layout_file(place: str, layout: str) -> str:
    """The text of a file that belongs to the layout.

    Raises:
        SourceError: when it is not there, or is not UTF-8.
    """
    try:
        with open_place(place) as file:
            return file.read().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise SourceError(f"{place}: no such file; expected {layout}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{place}: not UTF-8 text (byte {error.start})") from error
    except Exception as error:  # each remote file system has errors of its own
        raise SourceError(f"{place}: cannot be read: {reason_of(error)}") from error
