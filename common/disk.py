"""Words for an error of the operating system: what failed, where, and how to go on."""

from __future__ import annotations

import errno
from pathlib import Path

#: A full disk, and the end of what its user may store.
_FULL = {errno.ENOSPC, errno.EDQUOT}


def describe_failure(error: Exception, place: Path) -> str:
    """``/data/shards/00001.tar: Permission denied``; `place` where the error names no file."""
    where = getattr(error, "filename", None) or place
    return f"{where}: {getattr(error, 'strerror', None) or error}"


def first_make_room(error: Exception) -> str:
    """``make room and ``, to stand before what else to do; nothing where that would not help."""
    return "make room and " if is_full(error) else ""


def is_full(error: Exception) -> bool:
    """Whether an error of the operating system, or of a library that met one, is a full disk."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    # safetensors is written in Rust, and its errors keep the number as text alone.
    return any(f"(os error {number})" in str(error) for number in _FULL)
