"""Remote files come whole, or with an error that says what, where and why."""

from __future__ import annotations

import hashlib
import io

import fsspec
import pytest
from fsspec.registry import known_implementations

from onepic.common.errors import DatasetError
from onepic.common.network import StoreError, check_protocol
from onepic.dataset.index import FileRecord
from onepic.dataset.stores.fetch import download

URL = "memory://fetch/file"


@pytest.fixture(autouse=True)
def remote():
    files = fsspec.filesystem("memory")
    files.pipe(URL, b"twelve bytes")
    yield files
    files.store.clear()


def record_of(data):
    return FileRecord(len(data), hashlib.sha256(data).hexdigest())


def test_a_file_is_written_whole_and_ends_where_the_remote_one_does():
    file = io.BytesIO(b"something longer than that")
    download(URL, file, None)
    assert file.getvalue() == b"twelve bytes"


@pytest.mark.parametrize("data", [b"Twelve bytes", b"twelve bytes more"])
def test_a_file_that_is_not_what_its_record_says_is_refused_with_both(data):
    expected = record_of(data)
    with pytest.raises(DatasetError) as caught:
        download(URL, io.BytesIO(), expected)
    assert f"{URL}: found 12 bytes with SHA-256 {record_of(b'twelve bytes').sha256}" in str(
        caught.value
    )
    assert f"expected {expected.size} bytes with SHA-256 {expected.sha256}" in str(caught.value)


def test_a_file_that_is_too_long_is_not_read_to_its_end(remote):
    remote.pipe(URL, bytes(20 << 20))
    file = io.BytesIO()
    with pytest.raises(DatasetError, match="found more than 12 bytes, expected 12 bytes"):
        download(URL, file, record_of(b"twelve bytes"))
    assert len(file.getvalue()) < 10 << 20


def test_a_missing_file_is_told_at_once():
    with pytest.raises(DatasetError, match="memory://fetch/no: not found; expected a dataset"):
        download("memory://fetch/no", io.BytesIO(), None, waits=(60,))


def test_an_unknown_protocol_is_refused():
    with pytest.raises(StoreError, match=r"^gopher://x: gopher:// is not known; expected") as error:
        check_protocol("gopher://x")
    assert error.value.exit_code == 2


def test_a_missing_package_is_named(monkeypatch):
    classes = {"class": "no_such_package.FileSystem", "err": "Install no-such-package"}
    monkeypatch.setitem(known_implementations, "odd", classes)
    with pytest.raises(StoreError, match="odd://x: odd:// needs another package: Install no-such"):
        check_protocol("odd://x")
