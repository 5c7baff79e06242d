"""Where data lie: local paths and URLs, how to open them, and how a change to them is noticed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..common.errors import SourceError
from ..common.secrets import without_query
from .source import StampKind

#: Suffixes that are taken for images, lower case, without the dot.
IMAGE_SUFFIXES = (
    *("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "avif", "jfif", "jpe", "apng"),
    *("mpo", "ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "jpx", "qoi", "heic", "heif", "hif", "jxl"),
)
#: The same for messages.
IMAGE_SUFFIXES_TEXT = ", ".join(f".{suffix}" for suffix in IMAGE_SUFFIXES)

#: What file systems call a file's version: `fsspec` has no common name for it.
_VERSIONS = (
    *("ETag", "etag", "md5", "md5Hash", "checksum", "sha256"),
    *("mtime", "LastModified", "last_modified", "updated", "modified", "created"),
)


def is_url(place: str) -> bool:
    """Whether a place is opened through fsspec."""
    return "://" in place


def resolve(path: str, base: Path | str) -> str:
    """The absolute place of a path that is relative to `base` (a folder or a URL).

    URLs and absolute paths are already there.
    """
    if is_url(path) or path.startswith("/"):
        return path
    if isinstance(base, str) and is_url(base):
        return inside(base, path)
    return os.path.abspath(Path(base) / Path(path).expanduser())  # noqa: PTH100 - keeps links


def inside(folder: str, path: str) -> str:
    """Resolve the cells of tables: much faster than `resolve`, with dots and links as written."""
    if "://" in path or path.startswith("/"):
        return path
    return f"{folder.rstrip('/')}/{path}"


def parent(place: str) -> str:
    """The folder of a file."""
    return without_query(place).rpartition("/")[0] or "/"


def name_of(place: str) -> str:
    """The last part of a place."""
    return without_query(place).rstrip("/").rpartition("/")[2]


def suffix_of(place: str) -> str:
    """The suffix in lower case, without the dot; empty for a hidden or a bare name."""
    stem, _, suffix = name_of(place).rpartition(".")
    return suffix.lower() if stem else ""


def open_place(place: str) -> BinaryIO:
    """Open a local file or a URL for reading, seekable."""
    if not is_url(place):
        return Path(place).open("rb")
    import fsspec

    return cast(BinaryIO, fsspec.open(place, "rb").open())


def read_text(place: str) -> str:
    """The UTF-8 text of a file, without the space around it."""
    with open_place(place) as file:
        return file.read().decode("utf-8-sig").strip()


def is_folder(place: str) -> bool:
    """Whether a folder is there.

    Raises:
        SourceError: when a remote store cannot be asked.
    """
    if not is_url(place):
        return Path(place).is_dir()
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(place)
        return bool(file_system.isdir(path))
    except Exception as error:  # each remote file system has errors of its own
        raise SourceError(f"{place}: cannot be reached: {reason_of(error)}") from error


def file_stamp(place: str, how: StampKind) -> str:
    """``18231@1719832000000000000`` (bytes, ns), 16 digits of the SHA-256, or ``missing``."""
    try:
        if how == "checksum":
            return _sha256_of_file(place)
        if is_url(place):
            return _remote_stamp(place)
        status = os.stat(place)  # noqa: PTH116 - a Path for each of a million files takes seconds
    except (OSError, ValueError):
        return "missing"
    return f"{status.st_size}@{status.st_mtime_ns}"


def stamp_of_info(info: Mapping[str, Any]) -> str:
    """``size@version`` from what fsspec tells of a file, as much as its file system says."""
    version = next((info[name] for name in _VERSIONS if info.get(name)), "unknown")
    if isinstance(version, datetime):
        version = int(version.timestamp() * 1_000_000) * 1000
    if isinstance(version, float):
        version = int(version * 1_000_000_000)
    digits = "".join(c for c in str(version) if c.isalnum() or c in "-.:")
    return f"{info.get('size')}@{digits}"


def short_sha256(data: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def reason_of(error: BaseException) -> str:
    """Say what went wrong, in the words of the library that met it."""
    return getattr(error, "strerror", None) or str(error).strip() or type(error).__name__


def _remote_stamp(place: str) -> str:
    import fsspec

    file_system, path = fsspec.core.url_to_fs(place)
    return stamp_of_info(file_system.info(path))


def _sha256_of_file(place: str) -> str:
    digest = hashlib.sha256()
    with open_place(place) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:16]
