"""Remote files through fsspec: patient with the network, trusting nothing that has a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import closing
from functools import partial
from typing import BinaryIO, cast

from ..compiler.errors import DatasetError
from ..compiler.index import FileRecord
from ..compiler.network import is_hopeless, open_place, protocol_of, reason_of
from ..compiler.patience import patiently
from ..compiler.secrets import without_secrets

_CHUNK = 4 << 20


class _InterruptedError(Exception):
    """The network failed in a way that may pass."""


def download(
    url: str, file: BinaryIO, record: FileRecord | None, waits: Sequence[float] = ()
) -> None:
    """Write all of a remote file to `file`, which ends where the remote one does.

    `record` is what has to come; without one anything is taken. `waits` are the seconds to wait
    before each further try when the network fails.

    Raises:
        DatasetError: when the file is not there, cannot be fetched, or is not what it has to be.
        OSError: when `file` cannot be written.
    """
    found = _copy_patiently(url, file, record.size if record else None, waits)
    if record and found != record:
        found = _copy_patiently(url, file, record.size, waits)
        if found != record:
            raise DatasetError(_mismatch(without_secrets(url), record, found))
    file.truncate()


def _mismatch(url: str, expected: FileRecord, found: FileRecord) -> str:
    what = f"{found.size} bytes with SHA-256 {found.sha256}"
    if found.size > expected.size:
        what = f"more than {expected.size} bytes"
    return (
        f"{url}: found {what}, expected {expected.size} bytes with SHA-256 {expected.sha256}; the "
        "file is damaged, or the dataset was changed without its dataset.json; upload it again"
    )


def _copy_patiently(
    url: str, file: BinaryIO, most: int | None, waits: Sequence[float]
) -> FileRecord:
    try:
        return patiently(
            partial(_copy, url, file, most),
            waits,
            lambda error: isinstance(error, _InterruptedError),
        )
    except _InterruptedError as error:
        raise DatasetError(
            f"{without_secrets(url)}: cannot be fetched: {error}; tried {len(waits) + 1} times"
        ) from error.__cause__


def _copy(url: str, file: BinaryIO, most: int | None) -> FileRecord:
    """One try, given up after `most` bytes: what has come is then longer than that."""
    digest = hashlib.sha256()
    file.seek(0)
    with closing(_chunks(url)) as chunks:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
            if most is not None and file.tell() > most:
                break
    return FileRecord(file.tell(), digest.hexdigest())


def _chunks(url: str) -> Generator[bytes, None, None]:
    try:
        with _open(url) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except Exception as error:  # each remote file system has errors of its own
        if is_hopeless(error):
            raise DatasetError(f"{without_secrets(url)}: {_reason(error)}") from error
        raise _InterruptedError(_reason(error)) from error


def _open(url: str) -> BinaryIO:
    protocol, how = protocol_of(url), {}
    if protocol in ("http", "https"):
        # Given a size, fsspec does not ask for it first, and so tells "not there" from "not now".
        how = {"block_size": 0, "size": 1}
    elif protocol == "hf":
        how = {"block_size": 0}  # one stream, rather than a request for each block
    file_system, path = open_place(url)
    return cast(BinaryIO, file_system.open(path, "rb", **how))


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "not found; expected a dataset made by onepic-compile there"
    return reason_of(error)
