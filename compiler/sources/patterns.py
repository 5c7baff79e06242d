"""Which files a path means: a folder's, a glob's, or those of a brace pattern."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from ...common.errors import SourceError
from ...common.secrets import without_query
from ...tables.places import is_folder, is_url, name_of, reason_of

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(place: str, names: re.Pattern[str], what: str) -> list[str]:
    """The files that a path means: itself, a folder's, a glob's, or those of a brace pattern.

    Of a folder these are the files in it, though not below it, whose names match `names`, in plain
    order; `what` says in messages which these are.

    Raises:
        SourceError: when there is none.
    """
    try:
        if is_folder(place):
            listed = _glob(f"{glob.escape(place.rstrip('/'))}/*")
            files = [file for file in listed if names.fullmatch(name_of(file))]
        elif not is_url(place) and Path(place).is_file():
            files = [place]
        elif _BRACES.search(place):
            files = _expand_braces(place)
        else:
            files = _glob(place) if glob.has_magic(without_query(place)) else [place]
    except Exception as error:  # each remote file system has errors of its own
        raise SourceError(f"{place}: cannot be listed: {reason_of(error)}") from error
    if not files:
        raise SourceError(f"{place}: none there; expected {what}")
    return files


def _expand_braces(place: str) -> list[str]:
    match = _BRACES.search(place)
    if not match:
        return [place]
    before, after = place[: match.start()], place[match.end() :]
    parts = _parts(match.group(1))
    return [file for part in parts for file in _expand_braces(before + part + after)]


def _parts(text: str) -> Iterator[str]:
    numbers = _RANGE.fullmatch(text)
    if not numbers:
        yield from text.split(",")
        return
    first, last = numbers.groups()
    for number in range(int(first), int(last) + 1):
        yield str(number).zfill(len(first))


def _glob(pattern: str) -> list[str]:
    if not is_url(pattern):
        return sorted(path for path in glob.glob(pattern) if Path(path).is_file())  # noqa: PTH207
    import fsspec

    file_system, path = fsspec.core.url_to_fs(pattern)
    return sorted(file_system.unstrip_protocol(name) for name in file_system.glob(path))
