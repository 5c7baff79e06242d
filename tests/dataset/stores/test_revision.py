"""A run reads a dataset of the Hub at one commit, whatever is pushed meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onepic.common.errors import DatasetError
from onepic.common.network import StoreError
from onepic.dataset.index import read_header
from onepic.dataset.names import DATASET
from onepic.dataset.stores.cache import CacheSettings
from onepic.dataset.stores.revision import commit_of, dataset_on_hub, pin, without_commit
from onepic.dataset.stores.store import open_store

NAME = "someone/canvases"
URL = f"hf://datasets/{NAME}"
INDEX, TAR = "shards/00000.parquet", "shards/00000.tar"


@pytest.fixture
def cache(tmp_path) -> CacheSettings:
    return CacheSettings(tmp_path / "cache", retry_waits=(0.0, 0.0))


@pytest.fixture
def data(compiled_colours) -> Path:
    return compiled_colours


@pytest.fixture
def repository(hub, data):
    """A compiled dataset on the Hub."""
    found = hub.make(NAME)
    found.hold(data)
    return found


def fetched(store, number=0):
    record = read_header(store.metadata(INDEX)).files["tar"]
    with os.fdopen(store.open_shard(number, ".tar", record), "rb") as file:
        return file.read()


def test_a_branch_is_pinned_to_its_commit(repository):
    head = repository.heads["main"]
    assert pin(URL) == pin(f"{URL}@main") == f"{URL}@{head}"
    repository.heads["v2"] = repository.edit("LICENSE", b"mine")
    assert pin(f"{URL}@v2") == f"{URL}@{repository.heads['v2']}"
    assert pin(f"{URL}/inside") == f"{URL}@{repository.heads['main']}/inside"


def test_a_commit_and_other_places_are_left_as_they_are(hub):
    for place in (f"{URL}@{'a' * 40}", "data/edit", "s3://bucket/data", "/data@home"):
        assert pin(place) == place
    assert not hub.asked


def test_what_an_address_says_can_be_told():
    pinned = f"{URL}@{'a' * 40}"
    assert (commit_of(pinned), commit_of(URL), commit_of("data")) == ("a" * 40, None, None)
    assert (without_commit(pinned), without_commit(f"{URL}@v2")) == (URL, f"{URL}@v2")
    assert (dataset_on_hub(pinned), dataset_on_hub("data"), dataset_on_hub(URL)) == (
        NAME,
        None,
        NAME,
    )


def test_a_missing_dataset_and_a_missing_revision_are_told(hub, repository):
    with pytest.raises(StoreError, match=r"nothing: the Hub knows no such repository or revision"):
        pin("hf://datasets/someone/nothing")
    with pytest.raises(StoreError, match=r"@v9: the Hub knows no such repository or revision"):
        pin(f"{URL}@v9")


def test_a_private_dataset_is_not_told_from_a_missing_one(repository, monkeypatch, tmp_path):
    repository.private = True
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="no public repository of that name; check it, or run"):
        pin(URL)


def test_a_hub_that_is_not_reached_is_told(repository, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with pytest.raises(DatasetError, match="the Hub cannot be reached"):
        pin(URL)


def test_a_push_in_the_middle_changes_nothing_for_who_reads(hub, repository, data, cache):
    store = open_store(URL, cache)
    before = store.metadata(DATASET).read_bytes()
    repository.edit(TAR, b"another tar")
    repository.edit(INDEX, b"another index")
    repository.edit(DATASET, b"{}")
    assert fetched(store) == (data / TAR).read_bytes()
    assert store.metadata(DATASET).read_bytes() == before
    assert open_store(URL, cache).metadata(DATASET).read_bytes() == b"{}"


def test_a_commit_shares_the_shards_that_it_has_in_common(hub, repository, cache):
    fetched(open_store(URL, cache))
    repository.edit("LICENSE", b"mine")
    hub.asked.clear()
    fetched(open_store(URL, cache))
    assert not [request for request in hub.asked if request.endswith(".tar")]
    assert [request for request in hub.asked if request.endswith(INDEX)]


def test_what_is_kept_of_a_commit_is_not_fetched_again(hub, repository, cache):
    fetched(open_store(URL, cache))
    hub.asked.clear()
    fetched(open_store(URL, cache))
    assert not [request for request in hub.asked if "/resolve/" in request]


@pytest.mark.parametrize("times", [1, 4])
def test_a_download_that_breaks_off_is_finished(hub, repository, data, cache, times):
    hub.cut("GET /cdn/", times=times)
    store = open_store(URL, cache)
    assert fetched(store) == (data / TAR).read_bytes()


def test_a_shard_that_is_not_what_its_index_says_is_refused(repository, cache, data):
    data = bytearray((data / TAR).read_bytes())
    data[700] ^= 1
    repository.edit(TAR, bytes(data))
    with pytest.raises(DatasetError, match=r"00000\.tar: found .* expected .* upload it again"):
        fetched(open_store(URL, cache))


def test_a_hub_that_asks_for_patience_gets_it(hub, repository, data, cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.fail("GET .*/resolve/.*tar", 429, times=2, headers={"Retry-After": "1"})
    hub.fail("GET .*/resolve/.*tar", 503, times=1)
    assert fetched(open_store(URL, cache)) == (data / TAR).read_bytes()
