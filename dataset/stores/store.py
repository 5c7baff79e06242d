"""Where a compiled dataset lies: a folder, or a URL from which files come through a cache."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ...common.network import check_protocol
from ...common.secrets import without_secrets
from ..finite import Watch
from ..index import FileRecord, ShardHeader
from .cache import CacheSettings
from .local import LocalStore
from .parts import Part
from .remote import RemoteStore
from .revision import pin


class Store(Hashable, Protocol):
    """The files of one dataset, by their paths in it.

    Stores can be pickled, and used by many threads at once. All methods raise a DatasetError where
    a remote file cannot be fetched; a DamagedFileError is one of them, and means that the file is
    missing or is not what is known of it.
    """

    @property
    def name(self) -> str:
        """The name that the user gave, without passwords; on the Hub with the commit."""

    @property
    def capacity(self) -> int | None:
        """Bytes of shards that can be kept on this machine; None where they already are here."""

    def metadata(self, name: str, *, size: int | None = None, sha256: str | None = None) -> Path:
        """The path of dataset.json, null_prompt.safetensors or an index, here or fetched.

        In a folder it can be missing. `size` and `sha256` are what is known of a remote one: a kept
        copy of another size is fetched anew, and what is fetched has to have that checksum.
        """

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        """A descriptor, to be closed by the caller, of a shard's ``.tar`` or its text.

        It stays readable when the cache deletes the file. To fetch ahead, open in another thread
        and close. A remote file that is not what `record` says is refused.
        """

    def read_parts(
        self,
        number: int,
        suffix: str,
        record: FileRecord,
        parts: Sequence[Part],
        size: int | None = None,
    ) -> list[bytes]:
        """The bytes of each part of a shard's file, fewer where the file ends before.

        Of a remote file little more than the parts is fetched, and then nothing compares it with
        `record`. `size` are the bytes that it has there, where that is known.
        """

    def sizes(self) -> Mapping[str, int] | None:
        """The bytes of each file that is there now; None where a store cannot list its files."""

    def is_elsewhere(self, header: ShardHeader) -> bool:
        """Whether a shard's files need not be here: the folder is one from which they were sent."""

    def read(self, name: str) -> bytes | None:
        """A small file as it is there now, past all caches; None where it is missing."""

    def checksum(self, name: str, watch: Watch | None = None) -> FileRecord | None:
        """Size and SHA-256 of a file as it is there now, past all caches; None where it is missing.

        It is read to its end, shown to `watch`, and not kept.
        """

    def remedy(self, name: str) -> str:
        """Advice on a damaged file, so that compiling or publishing again restores it."""


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


def name_of(path: str | Path, store: Store) -> str:
    """How messages call the dataset that was opened: its folder, or the URL without passwords.

    Unlike `Store.name` it has no commit but one that was given.
    """
    return str(store.folder) if isinstance(store, LocalStore) else without_secrets(str(path))
