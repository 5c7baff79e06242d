"""Which images of aligned folders belong together: those of one path without its suffix."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .listing import Listing
from .spelling import alike, stem_of

#: The paths of one row's images by column, of which each should have one.
Files = Mapping[str, tuple[str, ...]]

_ROLE = re.compile(
    r"[-_. ](input|output|source|target|before|after|original|edited|condition|control|image|mask)$"
)


class Match(NamedTuple):
    """A row to be: its key, its images' paths by column, and what is wrong with it."""

    key: str
    paths: Mapping[str, str | None]
    error: str | None = None


def match_folders(folders: Mapping[str, Listing]) -> Iterator[Match]:
    """The rows of aligned folders: each stem that is in any of them, with all its images."""
    by_stem = {name: _by_stem(listing.images) for name, listing in folders.items()}
    stems = sorted(set().union(*by_stem.values()))
    files = {s: {n: found[s] for n, found in by_stem.items() if s in found} for s in stems}
    lonely = [stem for stem in stems if len(files[stem]) < len(folders)]
    joined, gone = _join_alike(lonely, files, list(folders))
    hints = _hints([stem for stem in lonely if stem not in joined and stem not in gone], files)
    return (
        _match(stem, joined.get(stem, files[stem]), folders, hints.get(stem, ""))
        for stem in stems
        if stem not in gone
    )


def _by_stem(paths: Sequence[str]) -> dict[str, tuple[str, ...]]:
    files: dict[str, tuple[str, ...]] = {}
    for path in paths:
        stem = stem_of(path)
        files[stem] = (*files.get(stem, ()), path)
    return files


def _join_alike(
    lonely: Sequence[str], files: Mapping[str, Files], columns: Sequence[str]
) -> tuple[dict[str, Files], set[str]]:
    """Rows of stems that are alike and together whole, by the first column's; and the other stems.

    Each column must have exactly one file among them: else it is uncertain which belongs to which.
    """
    joined: dict[str, Files] = {}
    gone: set[str] = set()
    for several in _groups(lonely, alike):
        together = {
            column: tuple(path for stem in several for path in files[stem].get(column, ()))
            for column in columns
        }
        if all(len(paths) == 1 for paths in together.values()):
            key = next(stem for stem in several if columns[0] in files[stem])
            joined[key] = together
            gone.update(stem for stem in several if stem != key)
    return joined, gone


def _hints(lonely: Sequence[str], files: Mapping[str, Files]) -> dict[str, str]:
    """Hints for stems that differ from others in a word such as ``_input`` at their end."""
    hints = {}
    for several in _groups(lonely, lambda stem: _ROLE.sub("", alike(stem))):
        for stem in several:
            others = [name for name in several if not files[name].keys() & files[stem].keys()]
            if others:
                hints[stem] = f"; {' and '.join(others)} is called nearly so: name them alike"
    return hints


def _groups(stems: Sequence[str], key: Callable[[str], str]) -> Iterator[list[str]]:
    """The stems that share what `key` makes of them, where they are several."""
    groups: dict[str, list[str]] = defaultdict(list)
    for stem in stems:
        groups[key(stem)].append(stem)
    return (several for several in groups.values() if len(several) > 1)


def _match(key: str, files: Files, listings: Mapping[str, Listing], hint: str) -> Match:
    paths: dict[str, str | None] = {}
    reasons = []
    for name, listing in listings.items():
        found = files.get(name, ())
        paths[name] = found[0] if len(found) == 1 else None
        if len(found) > 1:
            several = " and ".join(map(listing.place, found))
            reasons.append(
                f"the column {name!r} has several files of this name, {several}; keep one"
            )
        elif not found:
            expected = f"{listing.place(key)}.png, or with another suffix of an image"
            reasons.append(f"no file for the column {name!r}; expected {expected}{hint}")
    return Match(key, paths, "; ".join(reasons) or None)
