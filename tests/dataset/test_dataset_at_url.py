"""A dataset at a URL is read by number and checked as one in a folder is."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from onepic.common.errors import DatasetError
from onepic.common.network import StoreError
from onepic.compiler import CacheSettings, open_dataset
from onepic.compiler.publishing import Destination, publish_dataset

NAME = "someone/canvases"
URL = f"hf://datasets/{NAME}"
MEMORY = "memory://data"
TAR, INDEX = "shards/00001.tar", "shards/00001.parquet"


def flipped(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 255]) + data[half + 1 :]


@pytest.fixture
def cache(tmp_path: Path) -> CacheSettings:
    return CacheSettings(tmp_path / "cache", retry_waits=(0.0,))


@pytest.fixture
def files(finished_project: Any) -> dict[str, bytes]:
    return finished_project.files()


@pytest.fixture
def repository(hub: Any, files: dict[str, bytes]) -> Any:
    found = hub.make(NAME)
    for name, data in files.items():
        found.edit(name, data)
    return found


@pytest.fixture
def memory(files: dict[str, bytes]) -> Any:
    """A store of fsspec with the dataset, which ``memory.pipe`` changes."""
    memory = fsspec.filesystem("memory")
    for name, data in files.items():
        memory.pipe(f"/data/{name}", data)
    yield memory
    memory.store.clear()


@pytest.fixture
def edit(repository: Any, memory: Any) -> Callable[[str, bytes | None], None]:
    """`edit(name, data)` changes a file at both places; None deletes it."""

    def change(name: str, data: bytes | None) -> None:
        repository.edit(name, data)
        memory.rm(f"/data/{name}") if data is None else memory.pipe(f"/data/{name}", data)

    return change


@pytest.mark.parametrize("url", [URL, MEMORY])
def test_its_samples_are_those_of_the_folder(url, repository, memory, cache, finished_project):
    ours, theirs = open_dataset(finished_project.output), open_dataset(url, cache)
    assert (len(theirs), theirs.name, theirs.info) == (5, url, ours.info)
    for here, there in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(here.latents, there.latents)
        np.testing.assert_array_equal(here.mask, there.mask)
        np.testing.assert_array_equal(here.texts["hidden"], there.texts["hidden"])
        np.testing.assert_array_equal(here.texts["pooled"], there.texts["pooled"])
        assert (here.key, here.prompt, here.metadata, here.preview) == (
            there.key,
            there.prompt,
            there.metadata,
            there.preview,
        )


def test_only_the_shards_that_are_used_are_fetched_and_once(hub, repository, cache):
    dataset = pickle.loads(pickle.dumps(open_dataset(URL, cache)))
    for _ in range(3):
        assert dataset[-1].key == "000000004"
    assert open_dataset(URL, cache)[4].key == "000000004"
    tars = [request for request in hub.asked if "/resolve/" in request and ".tar" in request]
    assert [re.sub(".*/", "", request) for request in tars] == ["00002.tar"]


def test_a_dataset_that_is_open_stays_at_its_commit(repository, cache):
    dataset = open_dataset(URL, cache)
    first = repository.heads["main"]
    repository.edit("dataset.json", b"{}")
    repository.edit("shards/00000.tar", b"")
    assert dataset.commit == first
    assert dataset[0].key == "000000000"


def test_samples_outlive_their_shard_in_the_cache(memory, cache, files):
    largest = max(len(data) for name, data in files.items() if name.startswith("shards"))
    dataset = open_dataset(MEMORY, CacheSettings(cache.folder, largest, cache.retry_waits))
    samples = list(dataset)
    assert len(list(cache.folder.glob("*/shards/*"))) == 1
    assert all(np.isfinite(sample.latents).all() for sample in samples)


def test_a_damaged_shard_is_refused(edit, files, cache):
    edit(TAR, flipped(files[TAR]))
    dataset = open_dataset(URL, cache)
    assert dataset[0].key == "000000000"
    with pytest.raises(DatasetError, match=r"00001\.tar: found .*, expected .* upload it again"):
        dataset[2]


def test_a_damaged_index_is_refused(edit, files, cache):
    edit(INDEX, flipped(files[INDEX]))
    with pytest.raises(DatasetError, match=r"00001\.parquet: found .*, expected SHA-256"):
        len(open_dataset(URL, cache))


def test_only_a_folder_has_a_path_and_can_be_published(memory, cache):
    with pytest.raises(StoreError, match="memory://data: expected a folder of this machine"):
        _ = open_dataset(MEMORY, cache).path
    with pytest.raises(StoreError, match="memory://data: expected a folder of this machine"):
        publish_dataset(MEMORY, Destination(NAME))


class TestVerify:
    @pytest.mark.parametrize("url", [URL, MEMORY])
    def test_a_sound_dataset_has_no_problems_and_nothing_of_it_is_kept(
        self, url, repository, memory, cache
    ):
        assert open_dataset(url, cache).verify() == []
        kept = [path.name for path in cache.folder.rglob("*.*") if path.is_file()]
        assert kept == ["dataset.json"]

    def test_every_file_is_read(self, hub, repository, files, cache):
        dataset = open_dataset(URL, cache)
        hub.asked.clear()
        assert dataset.verify() == []
        read = {request.partition("/resolve/")[2].partition("/")[2] for request in hub.asked}
        assert set(files) - {"README.md"} == read - {""}

    @pytest.mark.parametrize("url", [URL, MEMORY])
    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            (TAR, f"{TAR} has another SHA-256 than its index says; first delete {INDEX} there"),
            (
                INDEX,
                f"{INDEX} has another SHA-256 than dataset.json says; first delete {INDEX} there",
            ),
            (
                "rejected.parquet",
                "rejected.parquet is damaged; first delete rejected.parquet there",
            ),
        ],
    )
    def test_a_flipped_byte_is_found_and_the_advice_suits_the_place(
        self, url, name, problem, edit, files, cache
    ):
        edit(name, flipped(files[name]))
        assert open_dataset(url, cache).verify() == [problem]

    @pytest.mark.parametrize("url", [URL, MEMORY])
    def test_missing_and_wrong_sized_files_are_found(self, url, edit, files, cache):
        edit("shards/00000.text.safetensors", None)
        edit(INDEX, None)
        edit("shards/00002.tar", files["shards/00002.tar"] + b"more")
        size = len(files["shards/00002.tar"])
        assert open_dataset(url, cache).verify() == [
            "shards/00000.text.safetensors is missing",
            f"{INDEX} is missing or damaged",
            f"shards/00002.tar has {size + 4} bytes instead of {size}",
        ]

    def test_what_was_damaged_after_it_was_fetched_is_found(self, memory, files, cache):
        dataset = open_dataset(MEMORY, cache)
        assert len(list(dataset)) == 5
        memory.pipe(f"/data/{TAR}", flipped(files[TAR]))
        (problem,) = dataset.verify()
        assert problem.startswith(f"{TAR} has another SHA-256")

    def test_a_network_that_breaks_is_an_error_and_no_damage(
        self, hub, repository, cache, monkeypatch
    ):
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        hub.fail(f"GET .*{TAR}", 503, times=99)
        with pytest.raises(DatasetError, match=r"00001\.tar: cannot be fetched: .* tried 2 times"):
            open_dataset(URL, cache).verify()
