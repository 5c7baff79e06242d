"""A folder behind a URL: files are put there, and what arrived is checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...common.errors import OutputError, RunError
from ...common.files import sha256
from ...common.network import check_protocol, is_hopeless, open_place, reason_of
from ...common.patience import patiently
from ...common.secrets import without_secrets
from .recipient import Settled, Stored

#: Seconds before each further try of what failed, besides the tries of the file system itself.
_WAITS = (1.0, 5.0, 20.0)
_CHUNK = 4 << 20
#: An ETag of S3 that is an MD5, unless the store encrypts; that of a file in parts has a dash.
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')

T = TypeVar("T")


class RemoteFolder:
    """A `Recipient` of fsspec, where a file that was sent is there for good.

    Methods raise OutputError for what will not pass, such as a missing bucket or permission, and
    RunError when the store failed again and again.
    """

    repository: str | None = None

    def __init__(self, url: str) -> None:
        check_protocol(url)
        self.name = without_secrets(url.rstrip("/"))
        try:
            self._files, root = open_place(url)
        except Exception as error:  # each file system has errors of its own
            raise OutputError(f"{self.name}: {reason_of(error)}") from error
        self._root = root.rstrip("/")

    def listing(self, folder: str) -> dict[str, Stored]:
        """The files below a folder, by path; nothing where there is no such folder."""

        def find() -> dict[str, Stored]:
            self._files.invalidate_cache()
            try:
                found = self._files.find(f"{self._root}/{folder}", detail=True)
            except FileNotFoundError:
                return {}
            return {
                path[len(self._root) + 1 :]: Stored(int(file["size"]))
                for path, file in found.items()
            }

        return self._patiently(folder, find)

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes | None:
        """The bytes of a file, or a part of them; None where there is no such file."""

        def cat() -> bytes | None:
            try:
                data: bytes = self._files.cat_file(f"{self._root}/{name}", start=start, end=end)
            except FileNotFoundError:
                return None
            return data

        return self._patiently(name, cat)

    def send(self, files: Mapping[str, Path], settled: Settled) -> None:
        """Send files in their order, each unless the very same is there."""
        for name, path in files.items():
            self._put(path, name)
            settled([name])

    def _put(self, path: Path, name: str) -> None:
        def put() -> None:
            if self._checksum_agrees(path, name):
                return
            self._make_parent(name)
            self._files.put_file(str(path), f"{self._root}/{name}")
            self._check_arrived(path, name)

        self._patiently(name, put)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file unless it holds the same."""
        if self.read(name) == data:
            return

        def pipe() -> None:
            self._make_parent(name)
            self._files.pipe_file(f"{self._root}/{name}", data)
            if self.read(name) != data:
                raise OSError("other bytes arrived than were sent")

        self._patiently(name, pipe)

    def remove(self, name: str) -> None:
        """Delete a file."""
        self._patiently(name, lambda: self._files.rm_file(f"{self._root}/{name}"))

    def is_due(self) -> bool:
        """Nothing ever waits."""
        return False

    def settle(self) -> None:
        """Everything is settled."""

    def _make_parent(self, name: str) -> None:
        from fsspec.asyn import AsyncFileSystem

        # Those are object stores, which need no folders; s3fs would make a mistyped bucket.
        if not isinstance(self._files, AsyncFileSystem):
            self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)

    def _checksum_agrees(self, path: Path, name: str) -> bool:
        """Whether size and checksum are those of a file here; not so where there is none."""
        try:
            found = self._info(name)
        except FileNotFoundError:
            return False
        if found["size"] != path.stat().st_size:
            return False
        digest = _md5_of(found)
        return digest is not None and digest == _md5(path)

    def _check_arrived(self, path: Path, name: str) -> None:
        """Compare sizes and, where the store gives an MD5, contents.

        Raises:
            OSError: when they differ.
        """
        found, size = self._info(name), path.stat().st_size
        if found["size"] != size:
            raise OSError(f"{found['size']} bytes arrived instead of {size}")
        digest = _md5_of(found)
        # What a store encrypts has an ETag that looks like an MD5 and is none: read it.
        if digest not in (None, _md5(path)) and self._sha256(name) != sha256(path):
            raise OSError("other bytes arrived than were sent")

    def _info(self, name: str) -> dict[str, Any]:
        self._files.invalidate_cache(f"{self._root}/{name}")
        found: dict[str, Any] = self._files.info(f"{self._root}/{name}")
        return found

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._files.open(f"{self._root}/{name}", "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def _patiently(self, name: str, call: Callable[[], T]) -> T:
        try:
            return patiently(call, _WAITS, lambda error: not is_hopeless(error))
        except Exception as error:  # each file system has errors of its own
            if is_hopeless(error):
                raise OutputError(
                    f"{self.name}/{name}: {reason_of(error)}; check the address and that your "
                    "login may write there"
                ) from error
            raise RunError(
                f"{self.name}/{name}: {reason_of(error)}; tried {len(_WAITS) + 1} times; "
                "what has arrived is kept, run again to continue"
            ) from error


def _md5_of(info: dict[str, Any]) -> str | None:
    """The MD5 that a store gives of a file, in hex; None where it gives none."""
    found = _MD5.fullmatch(str(info.get("ETag", "")))
    return found[1] if found else None


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
