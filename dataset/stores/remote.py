"""A dataset behind a URL, whose files are fetched one by one when they are needed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...common.disk import is_full
from ...common.errors import DamagedFileError
from ...common.files import settle
from ...common.network import StoreError, folder_name
from ...common.secrets import without_secrets
from ..finite import Watch
from ..index import FileRecord, ShardHeader
from ..names import DATASET, SHARDS, shard_name, shard_stem
from .cache import PART, CacheSettings, keep, open_kept, part_of, part_path, reserve
from .fetch import WholeFilesOnlyError, check_checksum, checksum, download, list_sizes, read_part
from .parts import Part, cut, is_whole_quicker, spans_of
from .revision import commit_of, without_commit

#: Stores that were asked for a part of a file and gave none.
_WHOLE_ONLY: set[str] = set()


@dataclass(frozen=True)
class RemoteStore:
    """A dataset at a URL that fsspec opens; methods as those of `Store`.

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

    def metadata(self, name: str, *, size: int | None = None, sha256: str | None = None) -> Path:
        """As `Store.metadata`; asking for dataset.json drops what belongs to an older one."""
        final = self._metadata / name
        with self._blaming_the_cache():
            if not self._is_current(name, final, size):
                self._fetch_metadata(name, final, size, sha256)
        return final

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        """As `Store.open_shard`."""
        final = self._kept_shard(number, suffix, record)
        with self._blaming_the_cache():
            kept = open_kept(final, record.size)
            return self._fetch_shard(number, suffix, record, final) if kept is None else kept

    def read_parts(
        self,
        number: int,
        suffix: str,
        record: FileRecord,
        parts: Sequence[Part],
        size: int | None = None,
    ) -> list[bytes]:
        """As `Store.read_parts`; the whole shard is fetched where that is as quick."""
        spans, total = spans_of(parts), record.size if size is None else size
        is_kept = self._kept_shard(number, suffix, record).exists()
        is_quicker = total == record.size and is_whole_quicker(spans, total)
        if not (is_kept or is_quicker or self.url in _WHOLE_ONLY):
            url = self._url(shard_name(number, suffix))
            waits = self.cache.retry_waits
            try:
                found = [read_part(url, span.offset, span.size, total, waits) for span in spans]
                return cut(parts, spans, found)
            except WholeFilesOnlyError:
                _WHOLE_ONLY.add(self.url)
        with os.fdopen(self.open_shard(number, suffix, record), "rb") as file:
            return [os.pread(file.fileno(), part.size, part.offset) for part in parts]

    def sizes(self) -> Mapping[str, int] | None:
        """As `Store.sizes`."""
        return list_sizes(self.url, self.cache.retry_waits)

    def is_elsewhere(self, header: ShardHeader) -> bool:  # noqa: ARG002
        """As `Store.is_elsewhere`: never."""
        return False

    def read(self, name: str) -> bytes | None:
        """As `Store.read`."""
        file = io.BytesIO()
        try:
            download(self._url(name), file, None, self.cache.retry_waits)
        except DamagedFileError:
            return None
        return file.getvalue()

    def checksum(self, name: str, watch: Watch | None = None) -> FileRecord | None:
        """As `Store.checksum`."""
        try:
            return checksum(self._url(name), self.cache.retry_waits, watch)
        except DamagedFileError:
            return None

    def remedy(self, name: str) -> str:
        """As `Store.remedy`."""
        return f"first delete {name} there"

    def _may_change(self, name: str) -> bool:
        return name == DATASET and commit_of(self.url) is None

    def _is_current(self, name: str, final: Path, size: int | None) -> bool:
        """Whether a file that was kept can be used."""
        return (
            not self._may_change(name) and final.exists() and size in (None, final.stat().st_size)
        )

    def _fetch_metadata(self, name: str, final: Path, size: int | None, sha256: str | None) -> None:
        with part_of(final) as part:
            if self._is_current(name, final, size):
                return
            download(self._url(name), part, None, self.cache.retry_waits)
            part.seek(0)
            data = part.read()
            check_checksum(self._url(name), data, sha256)
            if final.exists() and final.read_bytes() == data:
                return
            if name == DATASET:  # replaced last: a run killed here finds it outdated once more
                self._drop_metadata()
            settle(part_path(final), final)

    def _drop_metadata(self) -> None:
        for path in self._metadata.rglob("*.*"):
            if path.name != DATASET and path.suffix != PART:
                path.unlink(missing_ok=True)

    def _kept_shard(self, number: int, suffix: str, record: FileRecord) -> Path:
        return self.folder / SHARDS / f"{shard_stem(number)}-{record.sha256[:16]}{suffix}"

    def _fetch_shard(self, number: int, suffix: str, record: FileRecord, final: Path) -> int:
        url = self._url(shard_name(number, suffix))
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
            room = "make room there or " if is_full(error) else ""
            raise StoreError(
                f"{self.cache.folder}: the cache cannot be used: {error.strerror or error}; "
                f"{room}set ONEPIC_CACHE to another folder"
            ) from error
