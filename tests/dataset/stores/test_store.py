"""A dataset reads the same from a folder and from a URL, whatever the network does."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from onepic.common.errors import DamagedFileError, DatasetError
from onepic.common.network import StoreError
from onepic.dataset.index import FileRecord, read_header
from onepic.dataset.names import DATASET, NULL_PROMPT
from onepic.dataset.stores.cache import CacheSettings
from onepic.dataset.stores.local import LocalStore
from onepic.dataset.stores.parts import Part
from onepic.dataset.stores.remote import RemoteStore
from onepic.dataset.stores.store import Store, open_store

INDEX = "shards/00000.parquet"
TAR = "shards/00000.tar"
OPEN = """
import os, sys
from pathlib import Path
from onepic.dataset.index import FileRecord
from onepic.dataset.stores.cache import CacheSettings
from onepic.dataset.stores.store import open_store
url, folder, size, sha256 = sys.argv[1:]
store = open_store(url, CacheSettings(Path(folder)))
handle = store.open_shard(0, ".tar", FileRecord(int(size), sha256))
print(len(os.pread(handle, 1 << 30, 0)))
"""


def read(handle: int) -> bytes:
    with os.fdopen(handle, "rb") as file:
        return file.read()


def record(store: Store, name: str = "tar") -> FileRecord:
    header = read_header(store.metadata(INDEX))
    assert header is not None
    return header.files[name]


def kept(cache: CacheSettings) -> list[str]:
    return sorted(path.name for path in cache.folder.glob("*/shards/*"))


@dataclass
class Site:
    """A web server of a folder that counts what it is asked for, and fails as it is told.

    `failures` are the answers yet to be refused with `status`, or for 200 broken off half-way;
    `halves` the files of which only the first half is sent before the server stalls.
    """

    folder: Path
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    status: int = 503
    halves: set[str] = field(default_factory=set)
    stalled: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.removeprefix("/data/")
        self.asked[name] += 1
        failing = self.failures[name] > 0
        self.failures[name] -= failing
        if not (self.folder / name).is_file():
            request.send_error(404)
        elif failing and self.status != 200:
            request.send_error(self.status)
        else:
            self.send(request, name, whole=not failing and name not in self.halves)

    def send(self, request: BaseHTTPRequestHandler, name: str, whole: bool) -> None:
        data = (self.folder / name).read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data if whole else data[: len(data) // 2])
        if name in self.halves:
            self.stalled.set()
            self.closed.wait(60)


@pytest.fixture
def folder(finished_project, tmp_path) -> Path:
    return Path(shutil.copytree(finished_project.output, tmp_path / "data"))


@pytest.fixture
def site(folder) -> Iterator[Site]:
    site = Site(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http://127.0.0.1:{server.server_port}/data"
        yield site
        site.closed.set()
        server.shutdown()


@pytest.fixture
def cache(tmp_path) -> CacheSettings:
    return CacheSettings(tmp_path / "cache", retry_waits=(0, 0, 0))


@pytest.fixture
def store(site, cache) -> Store:
    return open_store(site.url, cache)


@pytest.fixture
def memory_url(folder) -> Iterator[str]:
    files = fsspec.filesystem("memory")
    for path in folder.rglob("*.*"):
        if path.is_file():
            files.pipe(f"/data/{path.relative_to(folder)}", path.read_bytes())
    yield "memory://data"
    files.store.clear()


@pytest.fixture
def url_of(site, memory_url, folder) -> Callable[[str], str]:
    places = {"http": site.url, "memory": memory_url, "file": f"file://{folder}"}
    return lambda kind: places.get(kind, str(folder))


@pytest.mark.parametrize("kind", ["folder", "file", "memory", "http"])
def test_every_place_gives_the_same_bytes(kind, url_of, folder, cache):
    store = pickle.loads(pickle.dumps(open_store(url_of(kind), cache)))
    assert (store.capacity is not None) == (kind in ("memory", "http"))
    assert store.name == url_of(kind)
    for name in (DATASET, NULL_PROMPT, INDEX):
        assert store.metadata(name).read_bytes() == (folder / name).read_bytes()
    for name, suffix in (("tar", ".tar"), ("text", ".text.safetensors")):
        found = read(store.open_shard(0, suffix, record(store, name)))
        assert found == (folder / f"shards/00000{suffix}").read_bytes()


def test_metadata_lie_as_in_the_dataset(store):
    assert store.metadata(INDEX) == store.metadata(DATASET).parent / INDEX


def test_a_tilde_is_the_home_folder(cache):
    store = open_store("~/data", cache)
    assert isinstance(store, LocalStore)
    assert store.folder == Path.home() / "data"


def test_a_missing_local_shard_says_what_to_do(folder, cache):
    (folder / TAR).unlink()
    store = open_store(folder, cache)
    with pytest.raises(DatasetError, match=r"00000\.tar: No such .*; compile again to restore it"):
        store.open_shard(0, ".tar", record(store))


def test_an_unknown_protocol_is_refused_when_a_store_is_opened(cache):
    with pytest.raises(StoreError, match="gopher:// is not known"):
        open_store("gopher://data", cache)


def test_passwords_are_in_no_message_and_no_file_name(cache):
    store = open_store("http://me:secret@127.0.0.1:9/data?key=secret", cache)
    assert isinstance(store, RemoteStore)
    with pytest.raises(DatasetError, match=r"127\.0\.0\.1:9/data/dataset\.json: cannot") as caught:
        store.metadata(DATASET)
    assert "secret" not in f"{store.name}{store.folder}{caught.value}"


def test_files_are_fetched_once(site, store, cache):
    for _ in range(2):
        os.close(store.open_shard(0, ".tar", record(store)))
        open_store(site.url, cache).metadata(INDEX)
    assert site.asked == {INDEX: 1, TAR: 1}


def test_threads_fetch_a_file_once(site, store):
    expected = record(store)
    with ThreadPoolExecutor(8) as pool:
        opened = pool.map(lambda _: read(store.open_shard(0, ".tar", expected)), range(8))
    assert {len(data) for data in opened} == {expected.size}
    assert site.asked[TAR] == 1


def test_processes_fetch_a_file_once(site, store, cache):
    expected = record(store)
    arguments = [site.url, str(cache.folder), str(expected.size), expected.sha256]
    command = [sys.executable, "-c", OPEN, *arguments]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [int(rank.communicate()[0]) for rank in ranks] == [expected.size] * 2
    assert site.asked[TAR] == 1


def test_a_process_killed_while_it_fetches_leaves_no_half_file(site, store, cache):
    expected = record(store)
    site.halves.add(TAR)
    arguments = [site.url, str(cache.folder), str(expected.size), expected.sha256]
    with subprocess.Popen([sys.executable, "-c", OPEN, *arguments]) as rank:
        assert site.stalled.wait(30)
        rank.kill()
    assert [name[-5:] for name in kept(cache)] == [".part"]
    site.halves.clear()
    assert len(read(store.open_shard(0, ".tar", expected))) == expected.size
    assert [name[-4:] for name in kept(cache)] == [".tar"]


def test_the_bound_holds_and_what_was_deleted_is_fetched_again(site, cache):
    records = [record(open_store(site.url, cache), name) for name in ("tar", "text")]
    store = open_store(site.url, CacheSettings(cache.folder, max(r.size for r in records)))
    handle = store.open_shard(0, ".tar", records[0])
    os.close(store.open_shard(0, ".text.safetensors", records[1]))
    assert [name.partition(".")[2] for name in kept(cache)] == ["text.safetensors"]
    assert len(read(handle)) == records[0].size
    os.close(store.open_shard(0, ".tar", records[0]))
    assert site.asked[TAR] == 2


def test_a_shard_larger_than_the_cache_is_refused(site, cache):
    store = open_store(site.url, CacheSettings(cache.folder, limit=100))
    with pytest.raises(DatasetError, match="more than the whole cache of 100; raise --cache-size"):
        store.open_shard(0, ".tar", record(store))
    assert not site.asked[TAR]


def test_a_damaged_remote_shard_is_tried_twice_and_refused(site, store, cache):
    data = bytearray((site.folder / TAR).read_bytes())
    data[700] ^= 1
    (site.folder / TAR).write_bytes(data)
    with pytest.raises(DatasetError, match=rf"{site.url}/{TAR}: found .*, expected .*"):
        store.open_shard(0, ".tar", record(store))
    assert site.asked[TAR] == 2
    assert kept(cache) == []


@pytest.mark.parametrize("status", [503, 429, 200])
def test_a_network_that_fails_three_times_is_forgiven(status, site, store):
    expected = record(store)
    site.failures[TAR], site.status = 3, status
    assert len(read(store.open_shard(0, ".tar", expected))) == expected.size


def test_a_network_that_keeps_failing_is_reported(site, store, cache):
    expected = record(store)
    site.failures[TAR] = 4
    with pytest.raises(DatasetError, match=rf"{TAR}: cannot be fetched: 503, .*; tried 4 times"):
        store.open_shard(0, ".tar", expected)
    assert kept(cache) == []


def test_a_refusal_is_not_repeated(site, store):
    site.failures[DATASET], site.status = 1, 403
    with pytest.raises(DatasetError, match=r"dataset\.json: 403"):
        store.metadata(DATASET)
    assert site.asked[DATASET] == 1


def test_a_url_without_a_dataset_says_what_was_expected(site, cache):
    store = open_store(f"{site.url}/nowhere", cache)
    with pytest.raises(DatasetError, match=r"nowhere/dataset\.json: not found; expected a dataset"):
        store.metadata(DATASET)


def test_a_changed_dataset_json_drops_the_other_metadata(site, store):
    store.metadata(DATASET)
    store.metadata(INDEX)
    store.metadata(DATASET)
    assert store.metadata(INDEX).exists()
    assert site.asked[INDEX] == 1
    (site.folder / DATASET).write_bytes((site.folder / DATASET).read_bytes() + b"\n")
    (site.folder / INDEX).write_bytes(b"new")
    assert store.metadata(DATASET).read_bytes().endswith(b"\n\n")
    assert store.metadata(INDEX).read_bytes() == b"new"


def test_a_changed_shard_is_fetched_under_its_new_checksum(site, store):
    os.close(store.open_shard(0, ".tar", record(store)))
    shutil.copy(site.folder / "shards/00001.tar", site.folder / TAR)
    other = read_header(site.folder / "shards/00001.parquet")
    assert other is not None
    changed = read(store.open_shard(0, ".tar", other.files["tar"]))
    assert changed == (site.folder / TAR).read_bytes()


def test_a_cache_that_cannot_be_written_says_where(site, tmp_path):
    (tmp_path / "file").write_text("")
    store = open_store(site.url, CacheSettings(tmp_path / "file"))
    with pytest.raises(StoreError, match="file: the cache cannot be used: Not a directory; set"):
        store.metadata(DATASET)


def test_a_full_disk_is_told_from_the_network(site, store, largest_file):
    expected = record(store)
    with (
        largest_file(expected.size // 2),
        pytest.raises(StoreError, match="the cache cannot be used: File too large; set "),
    ):
        store.open_shard(0, ".tar", expected)


PARTS = [Part(512, 100), Part(0, 512), Part(20_400, 200)]


@pytest.mark.parametrize("kind", ["folder", "file", "memory", "http"])
def test_parts_of_a_shard_are_the_same_at_every_place(kind, url_of, folder, cache):
    store = open_store(url_of(kind), cache)
    data = (folder / TAR).read_bytes()
    expected = [data[part.offset : part.end] for part in PARTS]
    assert [len(part) for part in expected] == [100, 512, 80]
    assert store.read_parts(0, ".tar", record(store), PARTS) == expected


def test_a_part_of_a_large_shard_is_fetched_alone_and_not_kept(memory_url, cache):
    store, large = open_store(memory_url, cache), FileRecord(10_000_000, "0" * 64)
    fsspec.filesystem("memory").pipe(f"/data/{TAR}", bytes(9_000_000) + b"end")
    (part,) = store.read_parts(0, ".tar", large, [Part(8_999_999, 100)], 9_000_003)
    assert part == b"\0end"
    assert kept(cache) == []


def test_a_shard_of_a_server_without_parts_is_fetched_once(site, store, cache):
    for number in (0, 0, 1):
        header = read_header(store.metadata(f"shards/{number:05d}.parquet"))
        part = store.read_parts(number, ".tar", header.files["tar"], [Part(700, 5)])
        assert part == [(site.folder / f"shards/{number:05d}.tar").read_bytes()[700:705]]
    assert [name[-4:] for name in kept(cache)] == [".tar"] * 2
    asked = {name: count for name, count in site.asked.items() if name.endswith(".tar")}
    assert asked == {TAR: 2, "shards/00001.tar": 1}, "one answer tells that there are no parts"


def test_a_missing_shard_is_told_from_a_network_that_fails(site, store):
    expected = record(store)
    (site.folder / TAR).unlink()
    with pytest.raises(DamagedFileError, match=r"00000\.tar: not found"):
        store.read_parts(0, ".tar", expected, PARTS)
    site.failures[INDEX] = 99
    with pytest.raises(DatasetError, match="cannot be fetched: 503") as caught:
        store.checksum(INDEX)
    assert not isinstance(caught.value, DamagedFileError)


@pytest.mark.parametrize("kind", ["folder", "file", "memory"])
def test_a_listing_has_the_size_of_every_file(kind, url_of, folder, cache):
    sizes = open_store(url_of(kind), cache).sizes()
    files = [path for path in folder.rglob("*.*") if path.is_file()]
    expected = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    shown = {name: size for name, size in expected.items() if not name.startswith(".compile")}
    assert {name: size for name, size in sizes.items() if not name.startswith(".")} == shown


def test_a_web_server_has_no_listing(store):
    assert store.sizes() is None


@pytest.mark.parametrize("kind", ["folder", "memory", "http"])
def test_files_are_read_as_they_are_now(kind, url_of, folder, site, cache):
    store = open_store(url_of(kind), cache)
    before = store.metadata(INDEX).read_bytes()
    for path in (folder / INDEX, folder / TAR):
        path.write_bytes(b"new")
        fsspec.filesystem("memory").pipe(f"/data/{path.relative_to(folder)}", b"new")
    assert (store.read(INDEX), store.read("nothing")) == (b"new", None)
    found = store.checksum(TAR)
    assert found == FileRecord(3, hashlib.sha256(b"new").hexdigest())
    assert store.checksum("shards/00009.tar") is None
    assert (store.metadata(INDEX).read_bytes() == before) == (kind != "folder")


def test_a_kept_index_of_another_size_is_fetched_anew(site, store):
    store.metadata(INDEX)
    (site.folder / INDEX).write_bytes(b"longer or shorter")
    assert store.metadata(INDEX, size=17).read_bytes() == b"longer or shorter"
    assert site.asked[INDEX] == 2


def test_a_fetched_index_must_have_its_checksum(site, store, cache):
    with pytest.raises(DamagedFileError, match=rf"{site.url}/{INDEX}: found .* expected SHA-256 0"):
        store.metadata(INDEX, sha256="0" * 64)
    assert not list(cache.folder.rglob("*.parquet"))
    digest = hashlib.sha256((site.folder / INDEX).read_bytes()).hexdigest()
    assert store.metadata(INDEX, sha256=digest).is_file()
