"""Marks of what has arrived in the store that a dataset is compiled into.

A shard whose mark says what its index says counts as if its tar and its text were here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from ..common.files import to_json, write_whole
from .index import ShardHeader, missized
from .names import SHARD_FILES, STATE, shard_name, shard_stem

INDEX = "index"


def arrived_parts(folder: Path, header: ShardHeader) -> set[str]:
    """The parts of this very shard that have arrived: ``tar``, ``text``, and last ``index``."""
    expected = _expected(header)
    try:
        found = json.loads(_path(folder, header.number).read_bytes())
        return {part for part, value in found.items() if expected.get(part) == value}
    except (OSError, ValueError, AttributeError):
        return set()


def is_sent(folder: Path, header: ShardHeader) -> bool:
    """Whether all of the shard has arrived."""
    return arrived_parts(folder, header) == _expected(header).keys()


def mark_arrived(folder: Path, header: ShardHeader, arrived: Collection[str]) -> None:
    """Note that some parts have arrived, besides those that have."""
    parts = {*arrived_parts(folder, header), *arrived}
    mark = {name: value for name, value in _expected(header).items() if name in parts}
    path = _path(folder, header.number)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, to_json(mark))


def mark_sent(folder: Path, header: ShardHeader) -> None:
    """Note that all of the shard has arrived."""
    mark_arrived(folder, header, _expected(header))


def forget_sent(folder: Path, number: int) -> None:
    """Take the mark of a shard away."""
    _path(folder, number).unlink(missing_ok=True)


def missized_files(folder: Path, header: ShardHeader) -> Iterator[str]:
    """Faults that the sizes of a shard's files show, without reading them.

    Nothing is, where they have arrived.
    """
    if is_sent(folder, header):
        return
    names = [shard_name(header.number, SHARD_FILES[name]) for name in header.files]
    sizes = {name: (folder / name).stat().st_size for name in names if (folder / name).is_file()}
    yield from missized(header, sizes)


def _expected(header: ShardHeader) -> dict[str, str]:
    files = {name: record.sha256 for name, record in header.files.items()}
    return {**files, INDEX: header.fingerprint}


def _path(folder: Path, number: int) -> Path:
    return folder / STATE / "sent" / f"{shard_stem(number)}.json"
