"""A dataset of the Hub is trained on as a local one is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onepic.common.errors import DatasetError
from onepic.dataset.names import DATASET
from onepic.dataset.stores.cache import CacheSettings
from onepic.trainer import CanvasLoader, open_canvases

NAME = "someone/canvases"
URL = f"hf://datasets/{NAME}"


@pytest.fixture
def cache(tmp_path) -> CacheSettings:
    return CacheSettings(tmp_path / "cache", retry_waits=(0.0, 0.0))


@pytest.fixture
def repository(hub, many_shards):
    """A dataset of random latents on the Hub."""
    found = hub.make(NAME)
    found.hold(many_shards)
    return found


def batch(dataset):
    return next(CanvasLoader([dataset], 4, seed=3).batches()).latents


def test_a_dataset_of_the_hub_gives_the_batches_of_a_local_one(repository, many_shards, cache):
    ours, theirs = open_canvases(many_shards), open_canvases(URL, cache)
    assert theirs.name == f"{URL}@{repository.heads['main']}"
    assert batch(theirs).equal(batch(ours))


def test_a_dataset_that_is_being_published_is_not_read(repository, cache, many_shards):
    info = (many_shards / DATASET).read_text().replace('"complete": true', '"complete": false')
    repository.edit(DATASET, info.encode())
    with pytest.raises(DatasetError, match="it is not complete; run the onepic-compile or"):
        open_canvases(URL, cache)


def size_of(path: Path) -> int:
    """0 for a file that the loader's threads have just dropped."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_the_bound_of_the_cache_holds(repository, many_shards, cache):
    sizes = [path.stat().st_size for path in many_shards.glob("shards/*.t*")]
    bound = CacheSettings(cache.folder, 6 * max(sizes), cache.retry_waits)
    for found in CanvasLoader([open_canvases(URL, bound)], 4, once=True).batches():
        assert sum(map(size_of, cache.folder.glob("*/shards/*"))) <= bound.limit
        assert len(found.latents)
    shutil.rmtree(cache.folder)
