"""Shards of a remote dataset are there when their turn comes, in a cache that holds few of them."""

from __future__ import annotations

import fcntl
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from onepic.common.errors import DatasetError
from onepic.compiler import open_dataset
from onepic.dataset.index import FileRecord
from onepic.dataset.stores.cache import CacheSettings
from onepic.dataset.stores.local import LocalStore
from onepic.dataset.stores.remote import RemoteStore
from onepic.trainer.canvases import Canvases, open_canvases
from onepic.trainer.fetch_ahead import fetch_ahead, window_of
from onepic.trainer.loader import CanvasLoader
from onepic.trainer.order import PlannedBatch

OpenRemote = Callable[..., Canvases]
SHARDS = 20
PER_SHARD = 6


@dataclass(frozen=True)
class WatchedStore(RemoteStore):
    """A remote store that notes the shards that are asked for, and the bytes in the cache then.

    While `gate` is held it gives nothing.
    """

    asked: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    gate: threading.Lock = field(default_factory=threading.Lock)

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        self.asked.append(number)
        with self.gate:
            pass
        opened = super().open_shard(number, suffix, record)
        self.held.append(cached_bytes(self.cache.folder))
        return opened

    def kept(self) -> set[int]:
        """The shards of which all files are in the cache."""
        names = [path.name for path in self.folder.glob("shards/*") if path.suffix != ".part"]
        tars = {int(name[:5]) for name in names if name.endswith(".tar")}
        return tars & {int(name[:5]) for name in names if name.endswith(".text.safetensors")}


def cached_bytes(folder: Path) -> int:
    total = 0
    with (folder / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # no shard comes or goes meanwhile
        for path in folder.glob("*/shards/*"):
            with suppress(FileNotFoundError):  # a part that has no bytes yet can
                total += path.stat().st_size
    return total


@pytest.fixture(scope="module")
def source(write_dataset, tmp_path_factory) -> Path:
    """The dataset as it lies before it is uploaded."""
    return write_dataset(tmp_path_factory.mktemp("source"), [PER_SHARD] * SHARDS, seed=2)


@pytest.fixture(scope="module")
def shard_bytes(source) -> int:
    """The most that a shard takes."""
    files = open_canvases(source).samples.files
    return max(sum(record.size for record in shard.values()) for shard in files)


@pytest.fixture(scope="module")
def url(source) -> Iterator[str]:
    with uploaded(source, "ahead") as place:
        yield place


@contextmanager
def uploaded(source: Path, name: str) -> Iterator[str]:
    files = fsspec.filesystem("memory")
    for path in source.rglob("*.*"):
        if path.is_file() and ".compile" not in path.parts:
            files.pipe(f"/{name}/{path.relative_to(source)}", path.read_bytes())
    yield f"memory://{name}"
    files.rm(f"/{name}", recursive=True)


@pytest.fixture
def fetched(monkeypatch) -> Counter[int]:
    """How often the tar of each shard comes over the network."""
    counts: Counter[int] = Counter()
    opening = MemoryFileSystem._open

    def open_and_count(self: MemoryFileSystem, path: str, *arguments: Any, **more: Any) -> Any:
        if path.endswith(".tar"):
            counts[int(Path(path).stem)] += 1
        return opening(self, path, *arguments, **more)

    monkeypatch.setattr(MemoryFileSystem, "_open", open_and_count)
    return counts


@pytest.fixture
def open_remote(url, shard_bytes, tmp_path) -> OpenRemote:
    """`open_remote(6)` opens the dataset with a cache that holds six of its shards."""

    def opened(shards: int) -> Canvases:
        cache = CacheSettings(tmp_path / "cache", shards * shard_bytes, retry_waits=())
        return replace(open_canvases(url, cache), store=WatchedStore(url, cache))

    return opened


def samples_of(loader: CanvasLoader, batches: int) -> list[list[int]]:
    with closing(loader.batches()) as stream:
        return [batch.samples.tolist() for batch in islice(stream, batches)]


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.002)
    return condition()


def plan_of(shards: list[list[int]], home: int = 0) -> Iterator[PlannedBatch]:
    """Batches with the first sample of each of these shards."""
    for number, batch in enumerate(shards):
        yield PlannedBatch(number, home, np.array(batch) * PER_SHARD)


@pytest.mark.parametrize(
    ("cached", "datasets", "window"),
    [(100, 1, None), (20, 1, None), (19, 1, 6), (12, 1, 4), (3, 1, 1), (1, 1, 1), (24, 2, 4)],
)
def test_a_window_is_a_third_of_the_cache(cached, datasets, window, open_remote):
    assert window_of(open_remote(cached), datasets) == window


def test_a_local_dataset_needs_no_window(source):
    assert window_of(open_canvases(source), 5) is None


@pytest.mark.parametrize("cached", [3, 9, 100])
def test_all_samples_come_with_what_they_hold(cached, open_remote, source):
    loader, expected = CanvasLoader([open_remote(cached)], 5), open_dataset(source)
    found = []
    with closing(loader.batches()) as stream:
        for batch in islice(stream, 48):
            found += batch.samples.tolist()
            for row, number in enumerate(batch.samples.tolist()):
                np.testing.assert_array_equal(batch.latents[row].numpy(), expected[number].latents)
                np.testing.assert_array_equal(
                    batch.texts["hidden"][row].numpy(), expected[number].texts["hidden"]
                )
    assert sorted(found[:120]) == sorted(found[120:]) == list(range(120))


def test_a_dataset_that_fits_is_drawn_from_as_if_it_were_local(open_remote, source):
    local = samples_of(CanvasLoader([open_canvases(source)], 5), 30)
    assert samples_of(CanvasLoader([open_remote(20)], 5), 30) == local


def test_the_order_does_not_hang_on_what_is_cached_already(open_remote):
    canvases = open_remote(9)
    first, second = (samples_of(CanvasLoader([canvases], 5), 60) for _ in range(2))
    assert first == second


def test_ranks_share_what_one_would_draw(open_remote):
    whole = samples_of(CanvasLoader([open_remote(9)], 5), 40)
    shares = [
        samples_of(CanvasLoader([open_remote(9)], 5, rank=rank, ranks=2), 20) for rank in range(2)
    ]
    assert [batch for pair in zip(*shares, strict=True) for batch in pair] == whole


@pytest.mark.parametrize("cached", [3, 9])
def test_the_cache_keeps_its_bound(cached, open_remote):
    canvases = open_remote(cached)
    samples_of(CanvasLoader([canvases], 5), 60)
    assert max(canvases.store.held) <= canvases.store.cache.limit
    assert max(canvases.store.held) > canvases.store.cache.limit // 2


def deleted_bytes() -> int:
    """What this process keeps on the disk of files that have no name any more."""
    found: dict[tuple[int, int], int] = {}
    for handle in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):  # closed just now
            if os.readlink(f"/proc/self/fd/{handle}").endswith(".tar (deleted)"):  # noqa: PTH115
                status = os.fstat(int(handle))
                found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())


def test_deleted_shards_are_not_kept_on_the_disk_by_their_readers(open_remote, shard_bytes):
    gc.collect()
    before = deleted_bytes()  # what tests before this one have left to the garbage collector
    canvases, most = open_remote(6), 0
    with closing(CanvasLoader([canvases], 5).batches()) as stream:
        for _ in islice(stream, 60):
            most = max(most, deleted_bytes())
    assert most <= before + 2 * 2 * shard_bytes  # a window of two shards for each thread
    assert deleted_bytes() <= before


def test_each_shard_is_fetched_about_once_an_epoch(open_remote, fetched):
    samples_of(CanvasLoader([open_remote(9)], 1), 480)
    assert set(fetched) == set(range(SHARDS))
    assert SHARDS * 3.5 <= fetched.total() <= SHARDS * 4.5


def test_shapes_of_one_dataset_share_its_window(write_dataset, tmp_path, shard_bytes, fetched):
    """Each shape has a stream of its own, and all of them go through one cache."""
    shapes = ((4, 2, 4), (4, 4, 2), (4, 1, 8))
    source = write_dataset(tmp_path / "shapes", [PER_SHARD] * SHARDS, shapes)
    cache = CacheSettings(tmp_path / "cache", 11 * shard_bytes, retry_waits=())
    with uploaded(source, "shapes") as place:
        samples_of(CanvasLoader([open_canvases(place, cache)], 1), 480)
    assert fetched.total() <= len(shapes) * SHARDS * 4 * 0.85


def test_a_large_local_dataset_does_not_hurry_the_remote_one(open_remote, many_shards):
    """Shards fetched too far ahead would drive out of the cache those in use."""
    canvases = open_remote(9)
    loader = CanvasLoader([canvases, open_canvases(many_shards)], 5, weights=[1, 1])
    with closing(loader.batches()) as stream:
        next(stream)
        time.sleep(0.1)
        asked = set(canvases.store.asked)
    assert len(asked) <= 2 * 3 + 2  # the window in use, the next one, and what is read ahead


def test_later_shards_are_fetched_before_they_are_needed(open_remote):
    canvases = open_remote(20)
    store, shards = canvases.store, [[n] for n in range(SHARDS)]
    with closing(fetch_ahead(plan_of(shards), [canvases], [0], distance=5)) as plan:
        for number in range(SHARDS):
            assert next(plan).number == number
            wanted = set(range(min(number + 6, SHARDS)))
            assert eventually(lambda wanted=wanted: wanted <= store.kept())
            assert set(store.asked) == wanted


def test_the_plan_stays_as_it_is(open_remote):
    shards = [[n % 7, n % 3] for n in range(50)]
    for distance in (0, 1, 4, 100):
        plan = fetch_ahead(plan_of(shards), [open_remote(20)], [0], distance)
        assert [batch.number for batch in plan] == list(range(50))


def test_a_shard_is_asked_for_again_when_it_may_be_gone(open_remote):
    canvases = open_remote(20)
    list(fetch_ahead(plan_of([[0]] * 20), [canvases], [0], distance=9))
    assert canvases.store.asked == [0] * 4  # twice the tar and the text


@dataclass(frozen=True)
class WatchedFolder(LocalStore):
    """A local store that notes the shards that are asked for."""

    asked: list[int] = field(default_factory=list)

    def open_shard(self, number: int, suffix: str, record: FileRecord) -> int:
        self.asked.append(number)
        return super().open_shard(number, suffix, record)


def test_local_shards_are_left_alone(open_remote, source):
    folder = replace(open_canvases(source), store=WatchedFolder("source", source))
    plan = fetch_ahead(plan_of([[3], [4]], home=1), [open_remote(20), folder], [0, 1], 5)
    assert len(list(plan)) == 2
    assert folder.store.asked == []


def test_what_is_not_begun_is_dropped_when_the_loop_ends(open_remote):
    canvases, before = open_remote(20), threading.active_count()
    with canvases.store.gate:
        plan = fetch_ahead(plan_of([[n] for n in range(SHARDS)]), [canvases], [0], distance=15)
        next(plan)
        closing_it = threading.Thread(target=plan.close)
        closing_it.start()
        time.sleep(0.05)
    closing_it.join()
    assert threading.active_count() == before
    assert 1 <= len(set(canvases.store.asked)) <= 4


def test_a_shard_that_cannot_be_fetched_is_an_error_when_it_is_needed(open_remote, url):
    canvases = open_remote(9)
    files = fsspec.filesystem("memory")
    path = "/ahead/shards/00007.tar"
    data = files.cat(path)
    files.rm(path)
    before = threading.active_count()
    try:
        with pytest.raises(DatasetError, match=r"memory://ahead/shards/00007\.tar: not found"):
            samples_of(CanvasLoader([canvases], 5), 30)
    finally:
        files.pipe(path, data)
    assert threading.active_count() == before


def test_once_goes_through_the_cache_too(open_remote):
    canvases = open_remote(3)
    batches = list(CanvasLoader([canvases], 7, once=True))
    assert [n for batch in batches for n in batch.samples.tolist()] == list(range(120))
    assert max(canvases.store.held) <= canvases.store.cache.limit
