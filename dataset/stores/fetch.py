"""Remote files through fsspec: patient with the network, trusting nothing that has a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO, TypeVar, cast

from ...common.errors import DamagedFileError, DatasetError
from ...common.network import is_hopeless, is_missing, open_place, protocol_of, reason_of
from ...common.patience import patiently
from ...common.secrets import without_secrets
from ..finite import Watch
from ..index import FileRecord, record_of

_CHUNK = 4 << 20
_ADVICE = (
    "the file is damaged, or the dataset was changed without its dataset.json; upload it again"
)

T = TypeVar("T")


class _InterruptedError(Exception):
    """The network failed in a way that may pass."""


class WholeFilesOnlyError(Exception):
    """The store gives files from their beginnings alone."""


def download(
    url: str, file: BinaryIO, record: FileRecord | None, waits: Sequence[float] = ()
) -> None:
    """Write all of a remote file to `file`, which ends where the remote one does.

    `record` is what has to come; without one anything is taken. `waits` are the seconds to wait
    before each further try when the network fails.

    Raises:
        DamagedFileError: when the file is not there, or is not what it has to be.
        DatasetError: when it cannot be fetched.
        OSError: when `file` cannot be written.
    """
    found = _copy_patiently(url, file, record.size if record else None, waits)
    if record and found != record:
        found = _copy_patiently(url, file, record.size, waits)
        if found != record:
            raise DamagedFileError(without_secrets(url), _mismatch(record, found), _ADVICE)
    file.truncate()


def checksum(url: str, waits: Sequence[float] = (), watch: Watch | None = None) -> FileRecord:
    """The record of a remote file, read to its end; it is shown to `watch`, and not kept.

    Raises:
        DamagedFileError: when the file is not there.
        DatasetError: when it cannot be fetched.
    """

    def read() -> FileRecord:
        with closing(_chunks(url)) as chunks:
            return record_of(chunks, watch)

    return _patiently(url, read, waits)


def check_checksum(url: str, data: bytes, sha256: str | None) -> None:
    """Refuse what is not as the dataset's own dataset.json says.

    Raises:
        DamagedFileError: when `data` have another SHA-256 than `sha256`; None is not compared.
    """
    found = hashlib.sha256(data).hexdigest()
    if sha256 not in (None, found):
        reason = f"found {len(data)} bytes with SHA-256 {found}, expected SHA-256 {sha256}"
        raise DamagedFileError(without_secrets(url), reason, _ADVICE)


def read_part(url: str, offset: int, size: int, total: int, waits: Sequence[float] = ()) -> bytes:
    """A part of a remote file of `total` bytes, from one request.

    It is shorter where the file ends before.

    Raises:
        WholeFilesOnlyError: when the store does not give parts.
        DamagedFileError: when the file is not there.
        DatasetError: when it cannot be fetched.
    """
    end = min(total, offset + size)
    if end <= offset:
        return b""
    return _patiently(url, lambda: _read_part(url, offset, end, total), waits)


def list_sizes(url: str, waits: Sequence[float] = ()) -> dict[str, int] | None:
    """The bytes of each file below a URL, by its path there; None where they cannot be listed.

    Raises:
        DatasetError: when the store cannot be reached, or does not let its files be listed.
    """
    if protocol_of(url) in ("http", "https"):
        return None
    return _patiently(url, lambda: _list_sizes(url), waits)


def _list_sizes(url: str) -> dict[str, int] | None:
    try:
        file_system, path = open_place(url)
        root = path.rstrip("/")
        file_system.invalidate_cache()
        found = file_system.find(root, detail=True)
    except NotImplementedError:
        return None
    except Exception as error:
        raise _explained(url, error) from error
    return {name[len(root) + 1 :]: int(entry["size"]) for name, entry in found.items()}


def _mismatch(expected: FileRecord, found: FileRecord) -> str:
    what = f"{found.size} bytes with SHA-256 {found.sha256}"
    if found.size > expected.size:
        what = f"more than {expected.size} bytes"
    return f"found {what}, expected {expected.size} bytes with SHA-256 {expected.sha256}"


def _copy_patiently(
    url: str, file: BinaryIO, most: int | None, waits: Sequence[float]
) -> FileRecord:
    return _patiently(url, lambda: _copy(url, file, most), waits)


def _patiently(url: str, call: Callable[[], T], waits: Sequence[float]) -> T:
    try:
        return patiently(call, waits, lambda error: isinstance(error, _InterruptedError))
    except _InterruptedError as error:
        raise DatasetError(
            f"{without_secrets(url)}: cannot be fetched: {error}; tried {len(waits) + 1} times"
        ) from error.__cause__


def _copy(url: str, file: BinaryIO, most: int | None) -> FileRecord:
    """One try, given up after `most` bytes: what has come is then longer than that."""
    file.seek(0)
    with closing(_chunks(url)) as chunks:
        return record_of(_written(chunks, file, most))


def _written(chunks: Iterator[bytes], file: BinaryIO, most: int | None) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        file.write(chunk)
        yield chunk
        size += len(chunk)
        if most is not None and size > most:
            return


def _chunks(url: str) -> Generator[bytes, None, None]:
    try:
        with _open(url) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except Exception as error:  # each remote file system has errors of its own
        raise _explained(url, error) from error


def _explained(url: str, error: Exception) -> Exception:
    """What a failure to read means for who asked."""
    if is_missing(error):
        expected = "expected a dataset made by onepic-compile there"
        return DamagedFileError(without_secrets(url), "not found", expected)
    if is_hopeless(error):
        return DatasetError(f"{without_secrets(url)}: {reason_of(error)}")
    return _InterruptedError(reason_of(error))


def _open(url: str) -> BinaryIO:
    protocol, how = protocol_of(url), {}
    if protocol in ("http", "https"):
        # Given a size, fsspec does not ask for it first, and so tells "not there" from "not now".
        how = {"block_size": 0, "size": 1}
    elif protocol == "hf":
        how = {"block_size": 0}  # one stream, rather than a request for each block
    file_system, path = open_place(url)
    return cast(BinaryIO, file_system.open(path, "rb", **how))


def _read_part(url: str, start: int, end: int, total: int) -> bytes:
    from fsspec.asyn import AsyncFileSystem

    file_system, path = open_place(url)
    is_web = protocol_of(url) in ("http", "https")
    how: dict[str, Any] = {"cache_type": "none"}
    if is_web or protocol_of(url) == "hf":
        how["size"] = total  # else it would be asked for
    try:
        if isinstance(file_system, AsyncFileSystem) and not is_web:
            return cast(bytes, file_system.cat_file(path, start=start, end=end))
        with file_system.open(path, "rb", **how) as file:
            file.seek(start)
            return cast(bytes, file.read(end - start))
    except Exception as error:
        if is_web and isinstance(error, ValueError):
            raise WholeFilesOnlyError from error
        raise _explained(url, error) from error
