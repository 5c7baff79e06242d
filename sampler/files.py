"""Writing what was made: whole files or none, with errors that say why."""

from __future__ import annotations

from pathlib import Path

from ..common.errors import RunError
from ..common.files import write_whole


def make_folder(folder: Path) -> None:
    """Make a folder, so that one that cannot be made is told before the work is done.

    Raises:
        RunError: saying why.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made: {error.strerror}") from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, over one that is there.

    Raises:
        RunError: saying why.
    """
    make_folder(path.parent)
    try:
        write_whole(path, data)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written: {error.strerror}; earlier pictures are kept"
        ) from error
