"""The indexes of a dataset tell where each sample lies, or which of them is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onepic.common.errors import DatasetError
from onepic.compiler import open_dataset
from onepic.dataset.names import SHARD_FILES, shard_path
from onepic.dataset.samples import SampleTable, read_samples, sample_key
from onepic.dataset.stores.cache import CacheSettings
from onepic.dataset.stores.store import open_store
from onepic.trainer.canvases import open_canvases


def read(folder: Path, shards: int) -> SampleTable:
    return read_samples(open_store(folder, CacheSettings()), shards)


@pytest.fixture
def folder(many_shards, tmp_path) -> Path:
    return Path(shutil.copytree(many_shards, tmp_path / "data"))


@pytest.mark.parametrize("name", ["many_shards", "two_shapes"])
def test_offsets_lead_to_the_members(name, request):
    folder = request.getfixturevalue(name)
    expected = open_dataset(folder)
    table = read(folder, expected.info.totals.shards)
    assert len(table) == len(expected)
    for number, sample in enumerate(expected):
        shape = table.shapes[table.shape[number]]
        tar = shard_path(folder, int(table.shard[number]), ".tar").read_bytes()
        latents = np.frombuffer(tar, np.float16, sample.latents.size, int(table.latents[number]))
        mask = np.frombuffer(tar, np.uint8, sample.mask.size, int(table.mask[number]))
        text = tar[table.json[number] :][: table.json_size[number]]
        np.testing.assert_array_equal(latents.reshape(shape), sample.latents)
        np.testing.assert_array_equal(mask.reshape(1, *shape[1:]), sample.mask)
        assert text.startswith(b'{"canvas_size": ')
        assert table.prompt_row[number] == sample.metadata["prompt_row"]


def test_a_shard_without_samples_has_no_files(many_shards):
    table = read(many_shards, 13)
    assert table.files[2] == {}
    assert all(set(files) == set(SHARD_FILES) for files in table.files[:2] + table.files[3:])
    assert 2 not in table.shard


def test_shapes_are_told_apart(two_shapes):
    table = read(two_shapes, 3)
    assert table.shapes == ((4, 2, 4), (4, 3, 2))
    assert table.shape.tolist() == [0, 1, 0, 0, 1, 0, 0, 1, 0, 0] * 3


def test_a_sample_is_named_by_its_key_and_source(many_shards):
    store = open_store(many_shards, CacheSettings())
    table, keys = read_samples(store, 13), [sample.key for sample in open_dataset(many_shards)]
    for number in (0, 3, 4, 8, 46):
        name = keys[number], f"pictures/{keys[number]}.png"
        assert sample_key(store, table, number) == name


def test_a_missing_index_is_named(folder):
    shard_path(folder, 5, ".parquet").unlink()
    with pytest.raises(DatasetError, match=r"data/shards/00005\.parquet: .*compile again"):
        read(folder, 13)


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_cut_index_is_named(keep, folder):
    path = shard_path(folder, 5, ".parquet")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"data/shards/00005\.parquet: .*compile again"):
        read(folder, 13)


def test_no_changed_byte_of_an_index_goes_unnoticed(many_shards, tmp_path):
    """It is an error that names the index, or it is in a column that no loader reads."""
    (tmp_path / "shards").mkdir()
    index, path = shard_path(many_shards, 0, ".parquet").read_bytes(), tmp_path / "shards"
    (path / "00000.parquet").write_bytes(index)
    expected = read(tmp_path, 1)
    for place in np.random.default_rng(0).permutation(len(index))[:150].tolist():
        changed = bytearray(index)
        changed[place] ^= 0x10
        (path / "00000.parquet").write_bytes(changed)
        try:
            found = read(tmp_path, 1)
        except DatasetError as error:
            assert "00000.parquet" in str(error)  # noqa: PT017
        else:
            np.testing.assert_array_equal(found.latents, expected.latents)
            np.testing.assert_array_equal(found.json_size, expected.json_size)
            np.testing.assert_array_equal(found.prompt_row, expected.prompt_row)


@pytest.mark.parametrize("what", ["columns", "header"])
def test_a_parquet_file_that_is_no_index_is_refused(what, folder):
    path = shard_path(folder, 5, ".parquet")
    table = pq.read_table(path)
    other = table.replace_schema_metadata({}) if what == "header" else pa.table({"a": [1]})
    pq.write_table(other, path)
    with pytest.raises(DatasetError, match=rf"00005\.parquet: .*\(its {what} "):
        read(folder, 13)


def test_a_dataset_without_samples_is_refused(write_dataset, tmp_path):
    with pytest.raises(DatasetError, match="data: the dataset has no samples; compile it again"):
        open_canvases(write_dataset(tmp_path / "data", [0, 0]))
    with pytest.raises(DatasetError, match="no samples"):
        open_canvases(write_dataset(tmp_path / "none", []))


def test_reading_indexes_leaves_no_file_open(many_shards, new_files):
    table = read(many_shards, 13)
    assert new_files() == set()
    assert len(table) == 47
