"""The index of a shard comes back as it was written, or is known to be damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.canvas.findings import Count, Finding
from onepic.common.errors import DatasetError
from onepic.dataset.index import (
    SCHEMA,
    SHARED,
    FileRecord,
    Rejection,
    ShardHeader,
    read_columns,
    read_header,
    read_index,
    write_index,
)

COUNT = st.integers(0, 2**62)
REJECTIONS = st.builds(Rejection, *[st.text()] * 5)
HEADERS = st.builds(
    ShardHeader,
    fingerprint=st.text(),
    number=COUNT,
    samples=COUNT,
    panels=COUNT,
    distinct_panels=COUNT,
    prompts=COUNT,
    cut_prompts=COUNT,
    files=st.dictionaries(
        st.sampled_from(["tar", "text"]), st.builds(FileRecord, COUNT, st.text())
    ),
    rejected=st.lists(REJECTIONS, max_size=3).map(tuple),
    dropped=st.dictionaries(st.text(), st.lists(REJECTIONS, max_size=3).map(tuple), max_size=2),
)
HEADER = ShardHeader(
    fingerprint="0123456789abcdef",
    number=3,
    samples=2,
    panels=4,
    distinct_panels=3,
    prompts=1,
    cut_prompts=0,
    files={"tar": FileRecord(10240, "aa"), "text": FileRecord(77, "bb")},
    rejected=(Rejection("000000007", "düne/日本.png", "image=1@2", "decode", "nur „halb“ da 🙈"),),
)


def row(number: int) -> dict[str, Any]:
    texts = {"key": f"{number:09d}", "source": f"ü{number}.png", "stamp": "image=1@2"}
    numbers = {name: number * 512 + n for n, name in enumerate(SCHEMA.names)}
    shared = {"group": "ü", "target_images": [-(2**63), number], "context_images": []}
    return numbers | texts | {"prompt": "a düne"} | shared


def write(folder: Path, header: ShardHeader = HEADER, count: int = 2) -> Path:
    rows = [row(number) for number in range(count)]
    write_index(folder / "temporary", folder / "00003.parquet", header, rows)
    return folder / "00003.parquet"


@given(HEADERS)
def test_a_header_comes_back_as_it_was(header):
    assert ShardHeader.from_json(header.to_json()) == header


def test_header_and_rows_come_back_from_the_file(tmp_path):
    path = write(tmp_path)
    assert read_header(path) == HEADER
    assert read_index(path).to_pylist() == [row(0), row(1)]
    assert [file.name for file in tmp_path.iterdir()] == ["00003.parquet"]


def test_an_index_from_before_samples_were_known_to_share_is_read_without_those_columns(tmp_path):
    path = write(tmp_path)
    pq.write_table(pq.read_table(path).drop_columns(list(SHARED)), path)
    header, columns = read_columns(path, ["key", *SHARED])
    assert header == HEADER
    assert columns.column_names == ["key"]
    assert read_index(path)["key"].to_pylist() == [row(0)["key"], row(1)["key"]]


def test_the_same_shard_has_the_same_index(tmp_path):
    assert write(tmp_path).read_bytes() == write(tmp_path).read_bytes()


def test_a_shard_without_samples_has_an_index_too(tmp_path):
    path = write(tmp_path, count=0)
    assert read_header(path) == HEADER
    assert read_index(path).num_rows == 0


def test_an_index_that_is_missing_or_cut_short_or_empty_is_not_taken_for_one(tmp_path):
    whole = write(tmp_path).read_bytes()
    for length in (0, 1, 4, 8, len(whole) // 2, len(whole) - 1):
        path = tmp_path / f"{length}.parquet"
        path.write_bytes(whole[:length])
        assert read_header(path) is None
        with pytest.raises(DatasetError, match=f"{path}: .* delete it and compile again"):
            read_index(path)
    assert read_header(tmp_path / "nowhere.parquet") is None
    with pytest.raises(DatasetError, match=r"nowhere\.parquet"):
        read_index(tmp_path / "nowhere.parquet")


def test_a_flipped_bit_in_a_value_is_noticed(tmp_path):
    path = write(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index("ü0.png".encode()) + 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DatasetError, match=f"{path}: .* delete it and compile again"):
        read_index(path)


def test_damage_anywhere_raises_nothing_else(tmp_path):
    path = write(tmp_path)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        read_header(path)
        try:
            read_index(path)
        except DatasetError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("metadata", [None, {"onepic": "{"}, {"onepic": "[]"}, {"onepic": "{}"}])
def test_a_parquet_file_of_others_is_no_index(tmp_path, metadata):
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"key": ["a"]}).replace_schema_metadata(metadata), path)
    assert read_header(path) is None
    with pytest.raises(DatasetError, match=r"other\.parquet: .* columns"):
        read_index(path)


def test_an_index_from_before_there_were_findings_has_none() -> None:
    header = replace(HEADER, findings={Finding("mask-reading", "grey"): Count(1, ("a",))})
    assert ShardHeader.from_json(header.to_json()) == header
    data = json.loads(header.to_json())
    del data["findings"]
    old = ShardHeader.from_json(json.dumps(data).encode())
    assert old.findings is None
    assert ShardHeader.from_json(old.to_json()) == old
