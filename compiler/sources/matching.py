"""Which files of folders belong together: those of one relative path without its suffix."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from .listing import Listing
from .places import IMAGE_SUFFIXES, suffix_of

#: Key, what is wrong with the row (or None), and the place of each column's file (or None).
Entry = tuple[str | None, ...]

_TEXT_SUFFIXES = ("txt",)


def match_single(
    images: Listing, texts: Mapping[str, Listing], names: tuple[str, ...]
) -> Iterator[Entry]:
    """The rows of one folder: each image, with the texts `names` of its stem."""
    found = _texts_by_name([images], texts, names)
    for path in images.paths:
        if suffix_of(path) in IMAGE_SUFFIXES:
            stem = _stem(path)
            yield path, None, images.place(path), *(found[name].get(stem) for name in names)


def match_folders(
    images: Mapping[str, Listing], texts: Mapping[str, Listing], names: tuple[str, ...]
) -> Iterator[Entry]:
    """The rows of aligned folders: each stem that is in any of them, with all its files."""
    by_stem = {name: _by_stem(listing, IMAGE_SUFFIXES) for name, listing in images.items()}
    found = _texts_by_name(list(images.values()), texts, names)
    for stem in sorted(set().union(*by_stem.values())):
        reasons, places = [], []
        for name, listing in images.items():
            paths = by_stem[name].get(stem, ())
            if len(paths) != 1:
                reasons.append(_mismatch(name, listing, stem, paths))
            places.append(listing.place(paths[0]) if len(paths) == 1 else None)
        reason = "; ".join(reasons) or None
        yield stem, reason, *places, *(found[name].get(stem) for name in names)


def _mismatch(name: str, listing: Listing, stem: str, paths: tuple[str, ...]) -> str:
    if paths:
        several = " and ".join(map(listing.place, paths))
        return f"the column {name!r} has several files of this name, {several}; keep one"
    suffixes = ", ".join(f".{suffix}" for suffix in IMAGE_SUFFIXES)
    return f"no file for the column {name!r}; expected {listing.place(stem)} with any of {suffixes}"


def _texts_by_name(
    beside: list[Listing], texts: Mapping[str, Listing], names: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """For each text column, its files by stem: from a folder of its own, or beside the images."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        own = [texts[name]] if name in texts else beside if name == "caption" else []
        found[name] = {
            stem: listing.place(paths[0])
            for listing in reversed(own)
            for stem, paths in _by_stem(listing, _TEXT_SUFFIXES).items()
        }
    return found


def _by_stem(listing: Listing, suffixes: Collection[str]) -> dict[str, tuple[str, ...]]:
    files: dict[str, tuple[str, ...]] = {}
    for path in listing.paths:
        if suffix_of(path) in suffixes:
            stem = _stem(path)
            files[stem] = (*files.get(stem, ()), path)
    return files


def _stem(path: str) -> str:
    return path.rpartition(".")[0]
