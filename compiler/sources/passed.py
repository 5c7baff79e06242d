"""Files that a source passed over, counted by suffix, so that nothing is lost without a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from ...canvas.findings import EXAMPLES, Count, Counts, Finding, add_up
from ...tables.places import IMAGE_SUFFIXES, name_of, suffix_of
from .listing import Listing

#: Suffixes of pictures that nothing here can read.
_OTHER_PICTURES = frozenset(
    {
        *("cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2", "pef", "srw"),  # camera raw
        *("psd", "psb", "xcf", "tga", "exr", "hdr", "pfm", "dds", "svg", "ico", "icns", "pcx"),
    }
)


def count_passed(
    root: str, listings: Sequence[Listing], used: Collection[str], orphans: Iterable[str]
) -> Counts:
    """Count the files in listed folders beside images and the texts at the places `used`.

    `orphans` are the places of texts that belong to no image. Where they lie below `root`, things
    are called by their paths from there.
    """
    start = f"{root.rstrip('/')}/"
    lost = {place for place in orphans if place not in used}
    others = {listing.place(path): None for listing in listings for path in listing.others}
    folders = {listing.place(path): None for listing in listings for path in listing.left_out}
    rest = (place for place in others if place not in used and place not in lost)
    return add_up(
        [
            count_folders(place.removeprefix(start) for place in folders),
            count_files(place.removeprefix(start) for place in rest),
            _count_orphans(place.removeprefix(start) for place in sorted(lost)),
        ]
    )


def count_folders(paths: Iterable[str]) -> Counts:
    """Count the folders that were left out, by name."""
    return add_up(
        {Finding("passed-over", f"folders called {name_of(path)}"): Count(1, (path,))}
        for path in paths
    )


def count_files(paths: Iterable[str]) -> Counts:
    """Files of which nothing was read, by suffix; `paths` are what they are called to people."""
    return add_up(
        {Finding(_kind_of(several[0]), _about(several[0])): _count(several)}
        for several in _by_suffix(paths)
    )


def _count_orphans(captions: Iterable[str]) -> Counts:
    """Captions that belong to no image, by suffix."""
    return add_up(
        {Finding("orphan-captions", _about(several[0])): _count(several)}
        for several in _by_suffix(captions)
    )


def _by_suffix(paths: Iterable[str]) -> Iterable[list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[path.rpartition(".")[2]].append(path)
    return found.values()


def _kind_of(path: str) -> str:
    return "unread-pictures" if suffix_of(path) in _OTHER_PICTURES else "passed-over"


def _about(path: str) -> str:
    suffix = suffix_of(path)
    if suffix in IMAGE_SUFFIXES:
        return "-masklabel and -condlabel of OneTrainer"
    return f".{suffix}" if suffix else "no suffix"


def _count(paths: list[str]) -> Count:
    return Count(len(paths), tuple(paths[:EXAMPLES]))
