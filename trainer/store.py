"""Where a compiled dataset lies: a folder, or a URL from which files come through a bounded cache.

`fetch` gets a remote file, `cache` says where it is kept and which others go for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..compiler.errors import DatasetError
from ..compiler.files import DATASET, SHARDS, settle, shard_path
from ..compiler.index import FileRecord
from ..compiler.network import StoreError, check_protocol, folder_name
from ..compiler.secrets import without_secrets
from .cache import PART, CacheSettings, keep, open_kept, part_of, part_path, reserve
from .fetch import download
from .revision import commit_of, pin, without_commit


class Store(Protocol):
    """The files of one dataset. Stores can be pickled, and used by many threads at once."""

    @property
    def name(self) -> str:
        """What the user gave, for messages, without passwords."""

    @property
    def capacity(self) -> int | None:
        """Bytes of shards that can be kept on this machine; None where they already are here."""

    def metadata(self, name: str) -> Path:
        """Where dataset.json, null_prompt.safetensors or an index, by its path in the dataset, is.

        In a folder it can be missing.

        Raises:
            DatasetError: when a remote file cannot be fetched.
        """

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        """A descriptor, to be closed by the caller, of a shard's ``.tar`` or its text.

        It stays readable when the cache deletes the file. To fetch ahead, open in another thread
        and close.

        Raises:
            DatasetError: when a local file is missing, or a remote one cannot be fetched or is not
                what `record` says.
        """


def open_store(path: str | Path, cache: CacheSettings) -> Store:
    """The store of a local folder or of any URL that fsspec opens; nothing is read yet.

    A revision on the Hub is pinned to its commit here: `name` has it.

    Raises:
        StoreError: when there is no file system for the URL; it says what to install.
        DatasetError: when the Hub knows no such dataset.
    """
    place = str(path)
    if place.startswith("file://"):
        return LocalStore(place, Path(place.removeprefix("file://")))
    if "://" not in place:
        return LocalStore(place, Path(place).expanduser())
    check_protocol(place)
    return RemoteStore(pin(place), cache)


@dataclass(frozen=True)
class LocalStore:
    """A dataset in a folder, used where it is."""

    name: str
    folder: Path
    capacity: int | None = None

    def metadata(self, name: str) -> Path:
        """As `Store.metadata`."""
        return self.folder / name

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:  # noqa: ARG002
        """As `Store.open_shard`."""
        path = shard_path(self.folder, number, suffix)
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DatasetError(f"{path}: {error.strerror}; compile again to restore it") from error


@dataclass(frozen=True)
class RemoteStore:
    """A dataset behind a URL; its files are fetched one by one when they are needed.

    A kept shard has a part of its checksum in its name, so that it serves no changed dataset.
    """

    url: str
    cache: CacheSettings

    @property
    def capacity(self) -> int:
        """As `Store.capacity`."""
        return self.cache.limit

    @property
    def name(self) -> str:
        """As `Store.name`."""
        return without_secrets(self.url)

    @property
    def folder(self) -> Path:
        """The dataset's own folder in the cache, shared by its commits: most shards are equal."""
        return self.cache.folder / folder_name(without_commit(self.url.rstrip("/")))

    @property
    def _metadata(self) -> Path:
        """Where indexes and the like are kept; those of a commit never change."""
        return self.folder / "metadata" / (commit_of(self.url) or "")

    def metadata(self, name: str) -> Path:
        """As `Store.metadata`; asking for dataset.json drops what belongs to an older one."""
        final = self._metadata / name
        with self._blaming_the_cache():
            if self._may_change(name) or not final.exists():
                self._fetch_metadata(name, final)
        return final

    def _may_change(self, name: str) -> bool:
        return name == DATASET and commit_of(self.url) is None

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        """As `Store.open_shard`."""
        final = self.folder / SHARDS / f"{number:05d}-{record.sha256[:16]}{suffix}"
        with self._blaming_the_cache():
            kept = open_kept(final, record.size)
            return self._fetch_shard(number, suffix, record, final) if kept is None else kept

    def _fetch_metadata(self, name: str, final: Path) -> None:
        with part_of(final) as part:
            if not self._may_change(name) and final.exists():
                return
            download(self._url(name), part, None, self.cache.retry_waits)
            part.seek(0)
            if final.exists() and final.read_bytes() == part.read():
                return
            if name == DATASET:  # replaced last: a run killed here finds it outdated once more
                self._drop_metadata()
            settle(part_path(final), final)

    def _drop_metadata(self) -> None:
        for path in self._metadata.rglob("*.*"):
            if path.name != DATASET and path.suffix != PART:
                path.unlink(missing_ok=True)

    def _fetch_shard(self, number: int, suffix: str, record: FileRecord, final: Path) -> int:
        url = self._url(shard_path(Path(), number, suffix).as_posix())
        if record.size > self.cache.limit:
            raise StoreError(
                f"{without_secrets(url)}: has {record.size} bytes, more than the whole cache of "
                f"{self.cache.limit}; raise --cache-size"
            )
        with part_of(final) as part:
            if (kept := open_kept(final, record.size)) is not None:
                return kept
            reserve(part, record.size, self.cache)
            download(url, part, record, self.cache.retry_waits)
            return keep(part, final, self.cache)

    def _url(self, name: str) -> str:
        place, mark, query = self.url.partition("?")
        return f"{place.rstrip('/')}/{name}{mark}{query}"

    @contextmanager
    def _blaming_the_cache(self) -> Iterator[None]:
        """What the network does comes as a DatasetError; any OSError is of the local disk."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self.cache.folder}: the cache cannot be used: {error.strerror or error}; make "
                "room there or set ONEPIC_CACHE to another folder"
            ) from error
