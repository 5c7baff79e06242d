"""Plain tar files whose bytes follow from their members alone, hashed while they are written."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from typing import BinaryIO

_RECORD = 20 * tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """Where a member's bytes lie in the tar: offset of its first byte, and its size."""

    offset: int
    size: int


class TarWriter:
    """Appends members to an open file: no times, no owners, so equal members give equal tars."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def add(self, name: str, data: bytes) -> Member:
        """Append one file.

        Raises:
            OSError: when it cannot be written, as on a full disk.
        """
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._write(info.tobuf(tarfile.USTAR_FORMAT))
        member = Member(self.size, len(data))
        self._write(data)
        self._write(bytes(-len(data) % tarfile.BLOCKSIZE))
        return member

    def finish(self) -> str:
        """Write the end of the archive; the SHA-256 of the whole."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._write(bytes(-self.size % _RECORD))
        return self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
