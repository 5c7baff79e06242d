"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.common.files import settle, sha256, to_json, write_whole
from onepic.dataset.names import shard_path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    write_whole(tmp_path / "a.json", b"old")
    write_whole(tmp_path / "a.json", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.json", b"new")]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, largest_file):
    write_whole(tmp_path / "a.json", b"old")
    with largest_file(1000), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "a.json", bytes(5000))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.json", b"old")]


def test_a_file_that_cannot_get_its_name_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_reader_sees_one_version_or_the_next(tmp_path):
    path, versions = tmp_path / "a", [bytes([number]) * 100_000 for number in range(20)]
    write_whole(path, versions[0])
    seen, finished = set(), threading.Event()

    def read() -> None:
        while not finished.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        write_whole(path, version)
    finished.set()
    reader.join()
    assert seen
    assert seen <= set(versions)


def test_settling_makes_the_folder_and_replaces_what_is_there(tmp_path):
    final = tmp_path / "shards/00000.tar"
    for content in (b"old", b"new"):
        (tmp_path / "temporary").write_bytes(content)
        settle(tmp_path / "temporary", final)
        assert final.read_bytes() == content
        assert not (tmp_path / "temporary").exists()


@given(JSON)
def test_json_has_one_form_and_loses_nothing(data):
    text = to_json(data)
    assert json.loads(text) == data
    assert to_json(json.loads(text)) == text


def test_json_is_readable():
    assert to_json({"b": ["düne"], "a": 1}).decode() == (
        '{\n  "b": [\n    "düne"\n  ],\n  "a": 1\n}\n'
    )


def test_the_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 5000)
    assert sha256(tmp_path / "a") == hashlib.sha256(bytes(range(256)) * 5000).hexdigest()


def test_shards_are_named_so_that_they_sort_by_number():
    names = [str(shard_path(Path("data"), number, ".tar")) for number in (0, 7, 12345)]
    assert names == ["data/shards/00000.tar", "data/shards/00007.tar", "data/shards/12345.tar"]
