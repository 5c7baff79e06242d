"""What a source passes over in a folder: names that are no data, and files of other kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..findings import EXAMPLES, Count, Counts, Finding, add_up
from .places import IMAGE_SUFFIXES, name_of, suffix_of

#: Folders in which systems and tools keep copies and what was deleted, in lower case.
_NO_DATA = frozenset(
    {
        *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # storage boxes
        *("$recycle.bin", "recycler", "recycled", "system volume information"),  # Windows
        *("__macosx", "lost+found", "__pycache__"),
    }
)
_IMAGES = frozenset(IMAGE_SUFFIXES)
#: How OneTrainer calls the mask of an image, and its control.
_OF_ANOTHER = ("-masklabel", "-condlabel")
#: Suffixes of pictures that nothing here can read.
_OTHER_PICTURES = frozenset(
    {
        *("cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2", "pef", "srw"),  # camera raw
        *("psd", "psb", "xcf", "tga", "exr", "hdr", "pfm", "dds", "svg", "ico", "icns", "pcx"),
    }
)


def is_left_out(folder: str) -> bool:
    """Whether a folder of this name holds no data: hidden, thumbnails, or a bin for the deleted."""
    return folder.startswith(".") or folder.lower() in _NO_DATA


def is_image(path: str) -> bool:
    """Whether a file is an image by its suffix, and no training tool's mask of another one."""
    stem, _, suffix = path.rpartition(".")
    return (suffix in _IMAGES or suffix.lower() in _IMAGES) and not stem.endswith(_OF_ANOTHER)


def count_folders(paths: Iterable[str]) -> Counts:
    """What folders that were left out are called."""
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


def count_orphans(captions: Iterable[str]) -> Counts:
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
    if suffix in _IMAGES:
        return "-masklabel and -condlabel of OneTrainer"
    return f".{suffix}" if suffix else "no suffix"


def _count(paths: list[str]) -> Count:
    return Count(len(paths), tuple(paths[:EXAMPLES]))
