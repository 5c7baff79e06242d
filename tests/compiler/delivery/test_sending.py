"""A dataset is compiled into a store, shard by shard, and is there what it would be in a folder."""

from __future__ import annotations

import re
import shutil
import threading
import time

import fsspec
import pytest

from onepic.common import patience
from onepic.common.errors import OutputError, RunError
from onepic.common.network import StoreError
from onepic.common.report import Silent
from onepic.compiler import Scheduling, compile_dataset
from onepic.compiler.delivery import remote_folder
from onepic.compiler.delivery.open import work_folder

pytest.importorskip("moto", reason="moto[s3] is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")

from s3 import BUCKET, served

URL = f"s3://{BUCKET}/sets/colours"
TAR = "sets/colours/shards/{:05d}.tar"


@pytest.fixture
def s3(monkeypatch, tmp_path):
    with served() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ONEPIC_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(remote_folder, "_WAITS", (0.0,))
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield s3
        fsspec.get_filesystem_class("s3").clear_instance_cache()


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self):
        self.said = []

    def note(self, text):
        self.said.append(text)


def send(project, url=URL, report=None, **changes):
    return compile_dataset(
        project.recipe(**changes),
        url,
        recipe_folder=project.root,
        scheduling=Scheduling(local=True),
        report=report,
    )


def files_there(s3):
    return {key.removeprefix("sets/colours/"): data for key, data in s3.objects().items()}


def test_the_store_has_the_very_files_that_a_folder_would_and_the_work_folder_no_shards(
    project, s3
):
    summary = send(project)
    assert files_there(s3) == project.files()
    assert (summary.made, summary.sent, summary.url) == (3, 3, URL)
    assert summary.output == work_folder(URL)
    kept = {path.suffix for path in (summary.output / "shards").iterdir()}
    assert kept == {".parquet"}


def test_an_index_arrives_after_its_shard_and_dataset_json_last(project, s3):
    send(project)
    names = [key.removeprefix("sets/colours/") for key in s3.order]
    assert names[0] == names[-1] == "dataset.json"
    shards = [name for name in names if name.startswith("shards/")]
    kinds = ("tar", "text.safetensors", "parquet")
    assert shards == [f"shards/{number:05d}.{kind}" for number in range(3) for kind in kinds]


def test_readers_are_told_that_a_dataset_is_not_complete_until_it_is(project, s3, monkeypatch):
    s3.fails = re.compile(r"00002\.tar")
    with pytest.raises(RunError):
        send(project)
    assert b'"complete": false' in files_there(s3)["dataset.json"]
    s3.fails = None
    send(project)
    assert b'"complete": true' in files_there(s3)["dataset.json"]


def test_a_run_that_is_repeated_sends_nothing(project, s3):
    send(project)
    before = dict(s3.received)
    summary = send(project)
    assert (summary.made, summary.sent, dict(s3.received)) == (0, 0, before)


def test_a_failing_store_ends_the_run_with_what_to_do_and_the_next_run_sends_the_rest(project, s3):
    s3.fails = re.compile(r"00001\.text")
    with pytest.raises(RunError) as caught:
        send(project)
    assert f"{URL}/shards/00001.text.safetensors: " in str(caught.value)
    assert "tried 2 times; what has arrived is kept, run again to continue" in str(caught.value)
    assert "onlyForTheTests" not in str(caught.value)
    assert s3.failures >= 2
    arrived = {key for key in s3.received if "shards/" in key}
    assert TAR.format(1) in arrived
    s3.fails = None
    summary = send(project)
    assert files_there(s3) == project.files()
    assert {key: s3.received[key] for key in arrived} == dict.fromkeys(arrived, 1)
    assert summary.sent == 2


def test_a_failure_that_passes_is_not_noticed(project, s3, monkeypatch):
    s3.fails = re.compile(r"00000\.tar")
    monkeypatch.setattr(patience.time, "sleep", lambda _: setattr(s3, "fails", None))
    assert send(project).sent == 3
    assert s3.failures > 0
    assert files_there(s3) == project.files()


def test_a_lost_work_folder_is_fetched_and_no_shard_is_made_or_sent_again(project, s3):
    send(project)
    before = dict(s3.received)
    shutil.rmtree(work_folder(URL))
    notes = Notes()
    summary = send(project, report=notes)
    assert (summary.made, summary.sent, dict(s3.received)) == (0, 0, before)
    assert notes.said == [f"{URL} holds a dataset; fetching its indexes to {work_folder(URL)}"]


def test_a_changed_picture_makes_and_sends_its_shard_alone_with_the_pictures_of_all(project, s3):
    send(project)
    before = dict(s3.received)
    shutil.copy(project.root / "pictures/000.png", project.root / "pictures/003.png")
    summary = send(project)
    assert (summary.made, summary.sent) == (1, 1)
    changed = {key for key in s3.received if s3.received[key] != before[key]}
    assert {key for key in changed if key.endswith(".tar")} == {TAR.format(1)}
    project.compile()
    assert files_there(s3) == project.files()


def test_a_shard_that_was_deleted_in_the_store_is_made_again(project, s3):
    send(project)
    s3.delete(TAR.format(2))
    notes = Notes()
    assert send(project, report=notes).made == 1
    assert "shard 00002 is made again: 00002.tar is missing" in notes.said
    assert files_there(s3) == project.files()


def test_shards_that_the_dataset_no_longer_has_are_deleted_in_the_store(project, s3):
    send(project)
    for name in ("003.png", "004.png"):
        (project.root / "pictures" / name).unlink()
    send(project)
    project.compile()
    assert files_there(s3) == project.files()
    assert not any("00002" in name for name in files_there(s3))


def test_few_shards_lie_on_the_disk_however_slow_the_store_is(bare_project, s3):
    bare_project.draw(*range(12))
    s3.holds_after = 2
    seen = []

    def tars():
        return len(list((work_folder(URL) / "shards").glob("*.tar")))

    def let_go():
        while tars() < 4:
            time.sleep(0.02)
        time.sleep(1)  # long enough for more shards, if nothing kept them
        seen.append(tars())
        s3.holds_after = None
        s3.released.set()

    threading.Thread(target=let_go, daemon=True).start()
    send(bare_project, samples_per_shard=1)
    # One on its way, two that wait, and one that waits for its place.
    assert seen == [4]
    assert len([key for key in s3.objects() if key.endswith(".tar")]) == 12


def test_a_card_that_was_edited_in_the_store_is_kept(project, s3):
    send(project)
    key = "sets/colours/README.md"
    s3.client().put_object(Bucket=BUCKET, Key=key, Body=b"my own words")
    shutil.copy(project.root / "pictures/000.png", project.root / "pictures/003.png")
    send(project)
    assert files_there(s3)["README.md"] == b"my own words"


def test_a_changed_recipe_is_refused_also_where_the_work_folder_was_lost(project, s3):
    send(project)
    before = s3.objects()
    shutil.rmtree(work_folder(URL))
    with pytest.raises(
        OutputError, match=rf"{URL} with its work folder .* made otherwise"
    ) as error:
        send(project, prompt="paint")
    assert "recipe.prompt: 'colorize' is now 'paint'" in str(error.value)
    assert s3.objects() == before


def test_a_place_that_holds_another_dataset_is_refused(project, s3):
    send(project)
    shutil.move(work_folder(URL), work_folder(f"{URL}-2"))
    client = s3.client()
    client.put_object(
        Bucket=BUCKET, Key="sets/colours-2/dataset.json", Body=b'{"fingerprint": "another"}'
    )
    with pytest.raises(OutputError, match="holds another dataset than its work folder"):
        send(project, f"{URL}-2")


def test_shards_of_unknown_origin_are_refused(project, s3):
    s3.client().put_object(Bucket=BUCKET, Key=TAR.format(0), Body=b"something")
    with pytest.raises(OutputError, match=r"holds shards but no dataset\.json"):
        send(project)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://no-such-bucket/x", r"s3://no-such-bucket/x/dataset\.json: .*; check the address"),
        ("gopher://x", "gopher:// is not known"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_before_the_work(project, s3, url, message):
    with pytest.raises((OutputError, StoreError), match=message) as error:
        send(project, url)
    assert error.value.exit_code == 2
    assert not list((work_folder(url) / "shards").glob("*.tar"))


def test_a_store_without_checksums_holds_the_same_files(project, s3):
    files = fsspec.filesystem("memory")
    try:
        send(project, "memory://sets/colours")
        there = {
            name.removeprefix("/sets/colours/"): files.cat(name) for name in files.find("/sets")
        }
        assert there == project.files()
    finally:
        files.store.clear()
