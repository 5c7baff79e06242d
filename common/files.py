"""Files and folders that appear whole or not at all, and how data are written and told apart."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def settle(temporary: Path, final: Path) -> None:
    """Give a written file its name, after its bytes have reached the disk."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder have reached the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(final: Path, data: bytes) -> None:
    """Write a small file so that readers see all of it or the one before."""
    temporary = final.with_name(f".{final.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        settle(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(final: Path) -> Iterator[Path]:
    """A new folder to write into; when the block ends it is `final`, and all of it on the disk.

    A folder that was there before is replaced. Where the block fails, that one stays.
    """
    new, old = (final.with_name(f".{final.name}.{end}") for end in (os.getpid(), "old"))
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        yield new
        _sync_tree(new)
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.replace(old)
        new.replace(final)
        sync_folder(final.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    """Wait until everything below a folder has reached the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def to_json(data: Any) -> bytes:
    """Readable JSON with a fixed form, so that equal data give equal files."""
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(data: Mapping[str, Any]) -> str:
    """The SHA-256 of the canonical JSON of data, in hex, such as a dataset's fingerprint."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
