"""Where the members of tars lie: WebDataset's rows, found by reading headers only."""

from __future__ import annotations

import glob
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SourceError
from ..secrets import without_query
from .places import is_folder, is_url, open_place, reason_of

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass
class TarRow:
    """The members of one key: (offset, size) in bytes by extension, and extensions seen twice."""

    key: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)


def expand(place: str) -> list[str]:
    """The tars that a path means: itself, a folder's, a glob's, or those of a brace pattern.

    Raises:
        SourceError: when there is none.
    """
    try:
        if is_folder(place):
            tars = _glob(f"{glob.escape(place.rstrip('/'))}/*.tar")
        elif not is_url(place) and Path(place).is_file():
            tars = [place]
        elif _BRACES.search(place):
            tars = _expand_braces(place)
        else:
            tars = _glob(place) if glob.has_magic(without_query(place)) else [place]
    except Exception as error:  # each remote file system has errors of its own
        raise SourceError(f"{place}: cannot be listed: {reason_of(error)}") from error
    if not tars:
        raise SourceError(f"{place}: no tars there; expected files ending in .tar")
    return tars


def index_tar(place: str) -> list[TarRow]:
    """The rows of a tar, in its order.

    Raises:
        SourceError: when it is not a complete, uncompressed tar.
    """
    try:
        with open_place(place) as opened:
            if opened.read(2) == b"\x1f\x8b":
                raise SourceError(f"{place}: is compressed; unpack it with gunzip first")
            opened.seek(0)
            with tarfile.open(fileobj=opened, mode="r:") as tar:
                rows = _group(tar)
                opened.seek(tar.offset)
                if any(opened.read(tarfile.BLOCKSIZE)):
                    raise SourceError(f"{place}: is damaged at byte {tar.offset}")
                return rows
    except SourceError:
        raise
    except Exception as error:  # tarfile and remote file systems have errors of many kinds
        message = f"{place}: {reason_of(error)}; expected a complete tar"
        raise SourceError(message) from error


def _group(tar: tarfile.TarFile) -> list[TarRow]:
    rows: dict[str, TarRow] = {}
    for member in tar:
        folder, slash, name = member.name.rpartition("/")
        base, dot, extension = name.partition(".")
        if not member.isfile() or not dot or not base or member.name.startswith("__"):
            continue
        key = f"{folder}{slash}{base}"
        row = rows.setdefault(key, TarRow(key))
        extension = extension.lower()
        if extension in row.members:
            row.repeated.append(extension)
        row.members[extension] = (member.offset_data, member.size)
    return list(rows.values())


def _expand_braces(place: str) -> list[str]:
    match = _BRACES.search(place)
    if not match:
        return [place]
    before, after = place[: match.start()], place[match.end() :]
    return [tar for part in _parts(match.group(1)) for tar in _expand_braces(before + part + after)]


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
