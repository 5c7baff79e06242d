"""The bounded folder of fetched shards, shared by all threads and processes of a machine.

All locks are the kernel's (flock), so they go with their process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ...common.files import settle
from ...common.network import cache_folder
from ..names import SHARDS

PART = ".part"
_POLL = 0.05


@dataclass(frozen=True)
class CacheSettings:
    """Where remote datasets are kept, by default in ``$ONEPIC_CACHE`` or ``~/.cache/onepic``.

    `limit` bounds the bytes of all shards in the folder; indexes do not count, and a file that was
    deleted takes its space until its last reader closes it. `retry_waits` are the seconds before
    each further try of a fetch that the network broke.
    """

    folder: Path = field(default_factory=cache_folder)
    limit: int = 100_000_000_000
    retry_waits: tuple[float, ...] = (0.5, 2.0, 8.0)


def open_kept(path: Path, size: int) -> int | None:
    """A descriptor of a file that was kept, now the last to be deleted; None where it is not."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if os.fstat(handle).st_size != size:  # a machine that lost its power can leave such a file
        os.close(handle)
        return None
    with suppress(OSError):  # the file of another user: it keeps its place in the queue
        os.utime(handle)
    return handle


@contextmanager
def part_of(final: Path) -> Iterator[BinaryIO]:
    """The empty file that is to become `final`, for one thread of one process at a time.

    Who had to wait should look whether `final` has come meanwhile. The lock is on the part itself:
    nothing is left over, and the next one takes over the part of a killed process.
    """
    part = part_path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(part) as file:
        try:
            file.truncate(0)
            yield file
        finally:
            if _is_at(file, part):  # neither settled nor replaced
                part.unlink()


def reserve(part: BinaryIO, size: int, cache: CacheSettings) -> None:
    """Make `part` as long as it will be, once the least recently used shards have made room.

    Waits where other fetches hold the room, as theirs can be deleted when they are finished.
    `size` must be within the limit.
    """
    while not _reserved(part, size, cache):
        time.sleep(_POLL)


def keep(part: BinaryIO, final: Path, cache: CacheSettings) -> int:
    """Give a written part its name; a descriptor, opened before anyone can delete the file."""
    part.flush()
    os.fsync(part.fileno())  # here, so that nobody waits for the disk
    with _locked(cache.folder / ".lock"):
        settle(part_path(final), final)
        return os.open(final, os.O_RDONLY)


def part_path(final: Path) -> Path:
    """The name of a file while it is written."""
    return final.with_name(final.name + PART)


def _reserved(part: BinaryIO, size: int, cache: CacheSettings) -> bool:
    with _locked(cache.folder / ".lock"):
        _remove_abandoned_parts(cache.folder)
        parts, kept = _parts_and_kept(cache.folder)
        room = cache.limit - sum(entry.size for entry in parts) - size
        if room < 0:
            return False
        _shrink(kept, room)
        os.ftruncate(part.fileno(), size)
        return True


@dataclass(frozen=True, order=True)
class _Entry:
    used: int  # ns
    size: int
    path: Path


def _parts_and_kept(folder: Path) -> tuple[list[_Entry], list[_Entry]]:
    found: tuple[list[_Entry], list[_Entry]] = [], []
    for path in _shards(folder):
        with suppress(FileNotFoundError):  # another's fetch failed just now
            status = path.stat()
            entry = _Entry(status.st_mtime_ns, status.st_size, path)
            found[path.suffix != PART].append(entry)
    return found


def _shrink(kept: list[_Entry], room: int) -> None:
    """Delete the least recently used shards until the others take no more than `room`."""
    taken = sum(entry.size for entry in kept)
    for entry in sorted(kept):
        if taken <= room:
            return
        entry.path.unlink(missing_ok=True)
        taken -= entry.size


def _shards(folder: Path) -> list[Path]:
    return list(folder.glob(f"*/{SHARDS}/[0-9]*-*"))


def _remove_abandoned_parts(folder: Path) -> None:
    for part in _shards(folder):
        if part.suffix == PART:
            with suppress(FileNotFoundError, BlockingIOError), part.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(file, part):
                    part.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Open a file, made where it is missing, and hold it alone."""
    while True:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                if _is_at(file, path):  # else its holder has renamed or deleted it
                    yield file
                    return
            finally:
                # Closing alone would leave it locked by a child forked meanwhile.
                fcntl.flock(file, fcntl.LOCK_UN)


def _is_at(file: BinaryIO, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
