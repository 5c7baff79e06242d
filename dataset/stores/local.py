"""A dataset in a folder of this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ...common.errors import DamagedFileError
from ..finite import Watch
from ..index import FileRecord, ShardHeader, record_of
from ..names import SHARDS, shard_path
from ..sent import is_sent
from .parts import Part

_CHUNK = 1 << 20
_ADVICE = "compile again to restore it"


@dataclass(frozen=True)
class LocalStore:
    """A dataset in a folder, used where it is; methods as those of `Store`."""

    name: str
    folder: Path
    capacity: int | None = None

    def metadata(
        self,
        name: str,
        *,
        size: int | None = None,  # noqa: ARG002 - it is read where it is
        sha256: str | None = None,  # noqa: ARG002
    ) -> Path:
        """As `Store.metadata`."""
        return self.folder / name

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:  # noqa: ARG002
        """As `Store.open_shard`."""
        path = shard_path(self.folder, number, suffix)
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DamagedFileError(str(path), str(error.strerror), _ADVICE) from error

    def read_parts(
        self,
        number: int,
        suffix: str,
        record: FileRecord,
        parts: Sequence[Part],
        size: int | None = None,  # noqa: ARG002 - reading ends where the file does
    ) -> list[bytes]:
        """As `Store.read_parts`."""
        file = self.open_shard(number, suffix, record)
        try:
            return [os.pread(file, part.size, part.offset) for part in parts]
        except OSError as error:
            path = shard_path(self.folder, number, suffix)
            raise DamagedFileError(str(path), str(error.strerror), _ADVICE) from error
        finally:
            os.close(file)

    def sizes(self) -> Mapping[str, int]:
        """As `Store.sizes`."""
        paths = [*self.folder.glob("*.*"), *(self.folder / SHARDS).glob("*.*")]
        return {
            path.relative_to(self.folder).as_posix(): path.stat().st_size
            for path in paths
            if path.is_file()
        }

    def is_elsewhere(self, header: ShardHeader) -> bool:
        """As `Store.is_elsewhere`."""
        return is_sent(self.folder, header)

    def read(self, name: str) -> bytes | None:
        """As `Store.read`."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def checksum(self, name: str, watch: Watch | None = None) -> FileRecord | None:
        """As `Store.checksum`."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                return record_of(iter(partial(file.read, _CHUNK), b""), watch)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedFileError(str(path), str(error.strerror), _ADVICE) from error

    def remedy(self, name: str) -> str:
        """As `Store.remedy`."""
        return f"first: rm {shlex.quote(str(self.folder / name))}"
