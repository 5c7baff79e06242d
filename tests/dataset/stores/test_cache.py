"""The cache keeps to its bound and to one writer for each file, however a writer ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from onepic.dataset.stores.cache import CacheSettings, keep, open_kept, part_of, reserve

HOLD = """
import sys, time
from pathlib import Path
from onepic.dataset.stores.cache import CacheSettings, part_of, reserve
final = Path(sys.argv[1])
with part_of(final) as part:
    reserve(part, 600, CacheSettings(final.parents[2], 1000))
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def cache(tmp_path):
    return CacheSettings(tmp_path, limit=1000)


def shard(cache: CacheSettings, number: int) -> Path:
    return cache.folder / "data" / "shards" / f"{number:05d}-0123.tar"


def put(cache: CacheSettings, number: int, size: int = 300) -> None:
    with part_of(shard(cache, number)) as part:
        reserve(part, size, cache)
        part.write(bytes(size))
        os.close(keep(part, shard(cache, number), cache))
    os.utime(shard(cache, number), (number, number))


def kept(cache: CacheSettings) -> list[int]:
    return sorted(int(path.name[:5]) for path in cache.folder.glob("*/shards/*"))


def test_the_least_recently_used_shards_make_room(cache):
    for number in range(3):
        put(cache, number)
    handle = open_kept(shard(cache, 0), 300)
    put(cache, 3)
    assert kept(cache) == [0, 2, 3]
    put(cache, 4, size=700)
    assert kept(cache) == [0, 4]
    os.close(handle)


def test_shards_of_all_datasets_count(cache):
    put(cache, 0)
    (cache.folder / "data").rename(cache.folder / "other")
    put(cache, 1, size=900)
    assert kept(cache) == [1]


def test_other_files_are_left_alone(cache):
    other = cache.folder / "data" / "shards" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine" * 1000)
    put(cache, 1, size=1000)
    assert other.exists()


def test_a_deleted_shard_stays_readable_to_who_has_it_open(cache):
    put(cache, 0)
    handle = open_kept(shard(cache, 0), 300)
    put(cache, 1, size=1000)
    assert kept(cache) == [1]
    assert os.pread(handle, 400, 0) == bytes(300)
    os.close(handle)


def test_a_file_of_another_size_is_not_taken_for_the_shard(cache):
    put(cache, 0)
    assert open_kept(shard(cache, 0), 301) is None


def test_a_fetch_waits_for_the_room_that_another_holds(cache):
    other = threading.Thread(target=put, args=(cache, 1, 600))
    with part_of(shard(cache, 0)) as part:
        reserve(part, 600, cache)
        other.start()
        other.join(0.2)
        assert other.is_alive()
        part.write(bytes(600))
        os.close(keep(part, shard(cache, 0), cache))
    other.join(10)
    assert kept(cache) == [1]


def test_a_failed_write_leaves_nothing(cache):
    with suppress(KeyError), part_of(shard(cache, 0)) as part:
        reserve(part, 300, cache)
        raise KeyError
    assert kept(cache) == []


def test_one_thread_at_a_time_writes_a_file(cache):
    inside, most = [], []

    def write():
        with part_of(shard(cache, 0)) as part:
            inside.append(1)
            most.append(len(inside))
            reserve(part, 300, cache)
            part.write(bytes(300))
            inside.pop()
            os.close(keep(part, shard(cache, 0), cache))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert max(most) == 1
    assert len(most) == 8
    assert kept(cache) == [0]


def test_the_part_of_a_killed_process_is_removed_and_its_room_used(cache):
    command = [sys.executable, "-c", HOLD, str(shard(cache, 0))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    assert kept(cache) == [0]
    put(cache, 1, size=900)
    assert kept(cache) == [1]


def test_the_folder_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("ONEPIC_CACHE", "~/elsewhere")
    assert CacheSettings().folder == Path.home() / "elsewhere"
    monkeypatch.setenv("ONEPIC_CACHE", "")
    assert CacheSettings().folder == Path.home() / ".cache/onepic"
