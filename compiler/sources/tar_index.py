"""Where the members of tars lie: WebDataset's rows, found by reading headers only."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ...canvas.pictures.heads import compressed_with, is_web_page, is_zip
from ...common.errors import SourceError
from ...tables.places import name_of, open_place, reason_of
from .no_data import is_left_out, is_of_another
from .tar_links import with_data

#: Names of tars; those of compressed ones as well, so that they are refused and not passed over.
TAR_NAMES = re.compile(r"[^.].*\.(tar|tgz|tbz2?|txz|tzst|tar\.(gz|xz|bz2|zst|lz4))", re.IGNORECASE)
_ZEROS = 1 << 20


@dataclass
class TarRow:
    """The members of one key: (offset, size) in bytes by extension, and what is wrong with them."""

    key: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    problem: str | None = None


@dataclass
class TarIndex:
    """The rows of a tar, in its order, and what belongs to none: files, and folders of no data."""

    rows: list[TarRow] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)


def index_tar(place: str) -> TarIndex:
    """Index a tar; behind its end mark there may be more tars, as ``cat a.tar b.tar`` makes.

    A key that an earlier one of these has gets the number of its own: ``000 (part 2)``.

    Raises:
        SourceError: when it is not a complete, uncompressed tar.
    """
    try:
        with open_place(place) as opened:
            _check_head(place, opened.read(512))
            index, keys = TarIndex(), set[str]()
            for number, part in enumerate(_parts(opened, place), 1):
                rows = _group(part, index)
                for row in rows:
                    row.key = f"{row.key} (part {number})" if row.key in keys else row.key
                keys.update(row.key for row in rows)
                index.rows += rows
            return index
    except SourceError:
        raise
    except Exception as error:  # tarfile and remote file systems have errors of many kinds
        message = f"{place}: {reason_of(error)}; expected a complete tar"
        raise SourceError(message) from error


def _check_head(place: str, head: bytes) -> None:
    if program := compressed_with(head):
        advice = f"unpack it first: {program} -dc < {name_of(place)} > plain.tar"
        raise SourceError(f"{place}: is compressed with {program}; {advice}")
    if is_web_page(head):
        raise SourceError(f"{place}: is a web page (often a failed download); expected a tar")
    if is_zip(head):
        raise SourceError(f"{place}: is a zip archive; unpack it, and give the folder")


def _parts(opened: BinaryIO, place: str) -> Iterator[list[tarfile.TarInfo]]:
    """The members of each of the tars that lie one behind the other."""
    start: int | None = 0
    while start is not None:
        opened.seek(start)
        with tarfile.open(fileobj=opened, mode="r:") as tar:
            yield tar.getmembers()
            end = tar.offset
        opened.seek(end)
        if any(opened.read(tarfile.BLOCKSIZE)):
            raise SourceError(f"{place}: is damaged at byte {end}")
        start = _after_zeros(opened)


def _after_zeros(opened: BinaryIO) -> int | None:
    """Where the block begins that holds the next byte that is not 0, if there is one."""
    while chunk := opened.read(_ZEROS):
        rest = len(chunk.lstrip(b"\0"))
        if rest:
            found = opened.tell() - rest
            return found - found % tarfile.BLOCKSIZE
    return None


def _group(members: list[tarfile.TarInfo], index: TarIndex) -> list[TarRow]:
    """The rows of the members; what belongs to none goes into the index."""
    rows: dict[str, TarRow] = {}
    for member, data in with_data(members):
        folder, slash, name = member.name.rpartition("/")
        base, dot, extension = name.partition(".")
        if left_out := _left_out(folder):
            index.left_out[left_out] = None
        elif not dot or is_of_another(base):
            index.others.append(member.name)
        elif base and not member.name.startswith("__"):
            row = rows.setdefault(key := f"{folder}{slash}{base}", TarRow(key))
            _add(row, extension.lower(), member, data)
    return list(rows.values())


def _left_out(folder: str) -> str | None:
    """The first part of a member's folder that `is_left_out`."""
    if not folder:
        return None
    parts = (part for part in folder.split("/") if part not in (".", ".."))
    return next(filter(is_left_out, parts), None)


def _add(
    row: TarRow, extension: str, member: tarfile.TarInfo, data: tarfile.TarInfo | None
) -> None:
    if extension in row.members:
        row.problem = row.problem or f"several members are called {row.key}.{extension}; keep one"
    if data is None:
        target = f"{member.name} is a link to {member.linkname}, which the tar does not hold"
        row.problem = row.problem or f"{target}; pack the file itself (tar --dereference)"
    elif data.issparse():
        row.problem = row.problem or f"{member.name} is stored with holes; pack without --sparse"
    else:
        row.members[extension] = (data.offset_data, data.size)
