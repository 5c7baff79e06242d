"""A reader gives what the compiler wrote, or names the file that is not what it should be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onepic.common.errors import DatasetError
from onepic.compiler import open_dataset
from onepic.dataset.dataset import DatasetSample
from onepic.dataset.index import FileRecord
from onepic.dataset.names import SHARD_FILES, shard_path
from onepic.dataset.reader import Arrays, ShardReader
from onepic.dataset.stores.local import LocalStore
from onepic.trainer.canvases import Canvases, open_canvases

Damage = Callable[[bytes], bytes]


@pytest.fixture
def folder(many_shards, tmp_path) -> Path:
    return Path(shutil.copytree(many_shards, tmp_path / "data"))


@pytest.fixture
def reader_of() -> Iterator[Callable[..., ShardReader]]:
    """`reader_of(canvases, open_files)` makes a reader that is closed after the test."""
    made = []

    def make(canvases: Canvases, open_files: int = 8) -> ShardReader:
        made.append(ShardReader(canvases.store, canvases.samples, open_files))
        return made[-1]

    yield make
    for reader in made:
        reader.close()


def arrays(canvases: Canvases, samples: list[int], prompts: bool = True) -> Arrays:
    """A batch full of what no sample holds."""
    size, table = len(samples), canvases.samples
    channels, height, width = table.shapes[table.shape[samples[0]]]
    texts = canvases.empty_prompt.items() if prompts else ()
    return Arrays(
        np.full((size, channels, height, width), np.nan, np.float16),
        np.full((size, 1, height, width), 99, np.uint8),
        {name: np.full((size, *one.shape), np.nan, one.dtype) for name, one in texts},
    )


def check(found: Arrays, row: int, metadata: dict[str, Any], sample: DatasetSample) -> None:
    np.testing.assert_array_equal(found.latents[row], sample.latents)
    np.testing.assert_array_equal(found.mask[row], sample.mask)
    np.testing.assert_array_equal(found.texts["hidden"][row], sample.texts["hidden"])
    np.testing.assert_array_equal(found.texts["pooled"][row], sample.texts["pooled"])
    assert metadata == sample.metadata


@pytest.mark.parametrize("name", ["many_shards", "two_shapes"])
def test_every_sample_is_the_one_that_was_written(name, request, reader_of):
    folder = request.getfixturevalue(name)
    canvases = open_canvases(folder)
    reader = reader_of(canvases)
    for number, sample in enumerate(open_dataset(folder)):
        into = arrays(canvases, [number])
        [metadata] = reader.read(np.array([number]), into)
        check(into, 0, metadata, sample)


def test_every_sample_that_the_compiler_encoded(finished_project, reader_of):
    canvases, expected = (
        open_canvases(finished_project.output),
        open_dataset(finished_project.output),
    )
    into = arrays(canvases, list(range(5)))
    found = reader_of(canvases).read(np.arange(5), into)
    for number in range(5):
        check(into, number, found[number], expected[number])


def test_a_batch_comes_in_the_order_asked_for(many_shards, reader_of):
    canvases, expected = open_canvases(many_shards), open_dataset(many_shards)
    wanted = [46, 3, 3, 0, 20, 8]
    into = arrays(canvases, wanted)
    found = reader_of(canvases).read(np.array(wanted), into)
    for row, number in enumerate(wanted):
        check(into, row, found[row], expected[number])


def test_members_may_lie_in_any_order(many_shards, reader_of):
    """As if each sample's JSON had changed places with that of another one of its shard."""
    canvases, expected = open_canvases(many_shards), open_dataset(many_shards)
    table, other = canvases.samples, [3, 0, 1, 2]
    table = replace(table, json=table.json[other], json_size=table.json_size[other])
    into = arrays(canvases, other)
    found = reader_of(replace(canvases, samples=table)).read(np.arange(4), into)
    for row in range(4):
        np.testing.assert_array_equal(into.latents[row], expected[row].latents)
        np.testing.assert_array_equal(into.mask[row], expected[row].mask)
        assert found[row] == expected[other[row]].metadata


def test_prompts_can_be_left_alone(folder, reader_of):
    for path in (folder / "shards").glob(f"*{SHARD_FILES['text']}"):
        path.unlink()
    canvases = open_canvases(folder)
    into = arrays(canvases, [0, 46], prompts=False)
    assert len(reader_of(canvases).read(np.array([0, 46]), into)) == 2
    assert np.isfinite(into.latents).all()


@dataclass(frozen=True)
class CountingStore(LocalStore):
    """Notes how many files are open after each that is opened."""

    new_files: Callable[[], set[Any]] = set
    counts: list[int] = field(default_factory=list)

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        opened = super().open_shard(number, suffix, record)
        self.counts.append(len(self.new_files()))
        return opened


@pytest.mark.parametrize("limit", [2, 3, 5])
def test_no_more_files_are_open_than_allowed(limit, many_shards, reader_of, new_files):
    store = CountingStore("data", many_shards, new_files=new_files)
    canvases = replace(open_canvases(many_shards), store=store)
    reader = reader_of(canvases, limit)
    for samples in np.random.default_rng(0).integers(0, 47, (20, 6)):
        reader.read(samples, arrays(canvases, samples.tolist()))
    assert max(store.counts) == limit


def test_the_file_that_was_not_used_for_longest_is_closed(many_shards, reader_of, new_files):
    store = CountingStore("data", many_shards, new_files=new_files)
    canvases = replace(open_canvases(many_shards), store=store)
    into = arrays(canvases, [0] * 6, prompts=False)
    # Samples of three shards: the first is in use again and again.
    reader_of(canvases, 2).read(np.array([0, 4, 1, 8, 2, 12]), into)
    assert len(store.counts) == 4


def test_files_stay_open_while_there_is_room_and_are_closed_at_last(
    many_shards, reader_of, new_files
):
    canvases = open_canvases(many_shards)
    reader = reader_of(canvases, 100)
    for _ in range(2):
        reader.read(np.arange(47), arrays(canvases, list(range(47))))
        assert len(new_files()) == 2 * 12
    reader.close()
    reader.close()
    assert new_files() == set()


def swap(old: bytes, new: bytes) -> Damage:
    return lambda data: data.replace(old, new)


@pytest.mark.parametrize(
    ("name", "damage", "what"),
    [
        ("tar", lambda data: data[:3000], "it is shorter than its index says"),
        ("tar", lambda data: b"", "it is shorter than its index says"),
        ("tar", swap(b'{"canvas', b"[[[[[[[[["), "a sample's JSON cannot be read: .*"),
        ("tar", swap(b'{"canvas', b"\xff" * 9), "a sample's JSON cannot be read: .*"),
        ("text", lambda data: data[:-1], "it is shorter than its index says"),
        ("text", lambda data: b"", "it is shorter than its index says"),
        ("text", lambda data: data[:40], "cannot be read: .*"),
        ("text", lambda data: b"\xff" * len(data), "cannot be read: .*"),
        ("text", lambda data: b"\xff" * 3 + bytes(5) + data, "cannot be read: .*"),
        ("text", swap(b'"hidden"', b'"hodden"'), "cannot be read: 'hidden'"),
        ("text", swap(b"F16", b"I16"), "cannot be read: has I16 .* expected F16 .*"),
        ("text", swap(b"[2,3,8]", b"[2,4,6]"), r"cannot .* \[4, 6\] for a prompt, .* \[3, 8\]"),
    ],
)
def test_a_damaged_file_is_named(name, damage, what, folder, reader_of):
    path = shard_path(folder, 1, SHARD_FILES[name])
    path.write_bytes(damage(path.read_bytes()))
    canvases = open_canvases(folder)
    index = shard_path(folder, 1, ".parquet")
    message = f"{path}: {what}; delete {index} and compile again to restore it"
    with pytest.raises(DatasetError, match=message):
        reader_of(canvases).read(np.arange(8), arrays(canvases, list(range(8))))


@pytest.mark.parametrize("name", ["tar", "text"])
def test_a_missing_file_is_named(name, folder, reader_of, new_files):
    path = shard_path(folder, 1, SHARD_FILES[name])
    path.unlink()
    canvases = open_canvases(folder)
    reader = reader_of(canvases)
    with pytest.raises(DatasetError, match=f"{path}: No such file .*compile again to restore it"):
        reader.read(np.arange(8), arrays(canvases, list(range(8))))
    reader.close()
    assert new_files() == set()


def test_a_file_that_cannot_be_read_is_named(folder, reader_of):
    path = shard_path(folder, 1, ".tar")
    path.unlink()
    path.mkdir()
    canvases = open_canvases(folder)
    with pytest.raises(DatasetError, match=f"{path}: cannot be read: Is a directory; delete"):
        reader_of(canvases).read(np.array([5]), arrays(canvases, [5]))
