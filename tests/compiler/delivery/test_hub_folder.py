"""A dataset is compiled onto the Hub: what is sent is settled by commits, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from itertools import pairwise
from threading import Event

import pytest

from onepic.common.errors import HubError, HubRefusedError, OutputError, RunError
from onepic.common.lock import locked
from onepic.common.report import Silent
from onepic.compiler import Scheduling, compile_dataset
from onepic.compiler.card import CARD
from onepic.compiler.delivery import hub_folder
from onepic.compiler.delivery.open import open_delivery
from onepic.compiler.publishing import Destination, publish_dataset
from onepic.dataset.index import read_header
from onepic.dataset.info import read_known_info
from onepic.dataset.names import DATASET, STATE

NAME = "someone/colours"
URL = f"hf://datasets/{NAME}"
FOREVER = 1e9


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Wait for nothing, and commit at the end alone."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr(hub_folder, "_WAITS", (0.0, 0.0))
    monkeypatch.setattr(hub_folder, "INTERVAL", FOREVER)


def remote(hub, revision="main"):
    files = hub.dataset(NAME).files(revision)
    return {path: blob.data for path, blob in files.items() if path != ".gitattributes"}


def info_of(folder):
    return read_known_info(folder, "here")


def shards_of(folder):
    return len(list((folder / "shards").glob("*.parquet")))


def left_here(folder):
    return {path.suffix for path in (folder / "shards").iterdir()}


@contextmanager
def delivering(folder, url=URL):
    with locked(folder, STATE), open_delivery(url, folder, Silent()) as delivery:
        yield delivery


def deliver(folder, url=URL, before_finish=lambda: None):
    """Send what a run finds finished in its work folder, as compiling does; how many shards."""
    with delivering(folder, url) as delivery:
        delivery.begin(info_of(folder), set(), shards_of(folder))
        delivery.join()
        before_finish()
        delivery.finish(info_of(folder))
    return delivery.sent


@pytest.fixture
def ours(canvases, files):
    """What the dataset has before its shards go."""
    return files(canvases)


def test_the_hub_has_all_files_and_the_work_folder_no_tars(hub, canvases, ours):
    assert deliver(canvases) == 3
    assert remote(hub) == ours
    assert left_here(canvases) == {".parquet"}
    assert max(hub.received.values()) == 1
    assert hub.commits() == 2  # the shards, and what describes the whole


def test_a_dataset_that_was_sent_is_as_published(hub, canvases, tmp_path):
    shutil.copytree(canvases, tmp_path / "copy")
    publish_dataset(canvases, Destination(NAME))
    card = remote(hub)[CARD]
    hub.repositories.clear()
    (canvases / CARD).write_bytes(card)  # the compiler writes it so for this store
    deliver(canvases)
    assert not publish_dataset(tmp_path / "copy", Destination(NAME)).difference


def test_a_run_that_is_repeated_sends_and_commits_nothing(hub, canvases):
    deliver(canvases)
    received, commits = dict(hub.received), hub.commits()
    assert deliver(canvases) == 0
    assert (dict(hub.received), hub.commits()) == (received, commits)


def test_dataset_json_says_that_it_is_not_complete_from_the_first_commit_to_the_last(
    hub, canvases, monkeypatch
):
    monkeypatch.setattr(hub_folder, "INTERVAL", 0.0)
    deliver(canvases)
    trees = list(hub.dataset(NAME).trees.values())[1:]
    states = [json.loads(tree[DATASET].data)["complete"] for tree in trees]
    assert len(states) >= 4
    assert states == [False] * (len(states) - 1) + [True]


def test_a_shard_never_comes_into_being_in_part(hub, canvases, monkeypatch):
    monkeypatch.setattr(hub_folder, "INTERVAL", 0.0)
    deliver(canvases)
    for tree in hub.dataset(NAME).trees.values():
        kinds = [path.partition(".")[0] for path in tree if path.startswith("shards/")]
        assert all(kinds.count(kind) == 3 for kind in kinds)


def test_commits_are_a_minute_apart(hub, canvases, monkeypatch):
    """The Hub takes 128 an hour to a repository."""
    now, told = [0.0], []
    monkeypatch.setattr(hub_folder, "INTERVAL", 60.0)
    monkeypatch.setattr(hub_folder, "monotonic", lambda: now[0])
    store = hub_folder.HubFolder(URL)

    def send(number):
        paths = sorted((canvases / "shards").glob(f"{number:05d}.*"))
        store.send({f"shards/{path.name}": path for path in paths}, told.extend)

    now[0] = 1000.0
    assert not store.is_due(), "there is nothing to commit"
    for number in range(2):
        send(number)
    assert store.is_due()
    store.settle()
    assert (hub.commits(), len(told)) == (1, 6)
    send(2)
    now[0] = 1059.9
    assert not store.is_due()
    assert len(told) == 6, "what waits for its commit is not told to be there"
    now[0] = 1060.0
    assert store.is_due()
    store.settle()
    assert (hub.commits(), len(told)) == (2, 9)


def test_a_commit_has_no_more_files_than_its_bound(hub, canvases, write_canvases, monkeypatch):
    write_canvases(canvases, range(8))
    monkeypatch.setattr(hub_folder, "COMMIT", 7)
    deliver(canvases)
    trees = [set(tree) for tree in hub.dataset(NAME).trees.values()]
    sizes = [len(now - before) for before, now in pairwise(trees)]
    assert max(sizes) == 7  # two shards, and dataset.json
    assert hub.commits() == 4 + 1


def test_what_lies_on_the_disk_is_bounded_by_what_waits_for_a_commit(
    hub, canvases, write_canvases, monkeypatch, tmp_path
):
    """Shards appear one by one while the Hub does not answer a commit: at most six lie here."""
    write_canvases(canvases, range(12))
    work = tmp_path / "work"
    (work / "shards").mkdir(parents=True)
    shutil.copy(canvases / DATASET, work)
    monkeypatch.setattr(hub_folder, "COMMIT", 10)  # three shards, and dataset.json
    sizes, one = [], max(size_of(canvases, n) for n in range(12))
    hub.fail("POST .*/commit/", 503, times=1)
    with delivering(work) as delivery:
        delivery.begin(info_of(work), set(range(12)), 12)
        for number in range(12):
            for path in (canvases / "shards").glob(f"{number:05d}.*"):
                shutil.copy(path, work / "shards")
            sizes.append(sum(size_of(work, n) for n in range(12)))
            delivery.submit(read_header(work / f"shards/{number:05d}.parquet"))
        delivery.join()
    # Three of a commit, two that wait, and the one that waits for its place.
    assert one < max(sizes) <= 6 * one
    assert sum(size_of(work, n) for n in range(12)) == 0


def size_of(folder, number):
    found = [folder / f"shards/{number:05d}{end}" for end in (".tar", ".text.safetensors")]
    try:
        return sum(path.stat().st_size for path in found)
    except FileNotFoundError:  # deleted, or just being deleted
        return 0


@pytest.mark.parametrize("how", ["cut", "error"])
def test_an_upload_that_breaks_is_tried_again(hub, canvases, ours, how):
    if how == "cut":
        hub.cut("PUT /storage/")
    else:
        hub.fail("PUT /storage/", 500)
    deliver(canvases)
    assert remote(hub) == ours


def test_uploads_that_keep_failing_end_the_run_and_the_next_one_sends_the_rest(
    hub, canvases, ours, monkeypatch
):
    monkeypatch.setattr(hub_folder, "INTERVAL", 0.0)
    hub.fail("PUT /storage/", 503, times=1000, skip=4)
    with pytest.raises(HubError, match=rf"^{NAME}: .*; .*run again to go on") as caught:
        deliver(canvases)
    assert caught.value.exit_code == 1
    assert remote(hub)["shards/00000.tar"] == ours["shards/00000.tar"]
    assert not json.loads(remote(hub)[DATASET])["complete"]
    hub.faults.clear()
    deliver(canvases)
    assert remote(hub) == ours
    assert max(hub.received.values()) == 1


def test_what_was_sent_and_not_committed_stays_here_and_is_committed_by_the_next_run(
    hub, canvases, ours
):
    with delivering(canvases) as delivery:  # as it ends by Ctrl-C
        delivery.begin(info_of(canvases), {0, 1, 2}, 3)
        for number in range(3):
            delivery.submit(read_header(canvases / f"shards/{number:05d}.parquet"))
        while sum(hub.received.values()) < 9:
            Event().wait(0.01)
    assert not remote(hub)
    assert left_here(canvases) == {".tar", ".safetensors", ".parquet"}
    deliver(canvases)
    assert remote(hub) == ours
    assert max(hub.received.values()) == 1


def test_what_an_earlier_run_left_is_committed_before_more_is_made(hub, canvases):
    """It may be what fills the disk."""
    with delivering(canvases) as delivery:
        delivery.begin(info_of(canvases), {3}, 4)
        while ".tar" in left_here(canvases):
            Event().wait(0.01)
    assert hub.commits() == 1
    assert "shards/00002.parquet" in remote(hub)


def test_a_commit_that_keeps_failing_loses_nothing(hub, canvases, ours):
    hub.fail("POST .*/commit/", 503, times=1000)
    with pytest.raises(HubError, match="the Hub answered 503"):
        deliver(canvases)
    assert left_here(canvases) == {".tar", ".safetensors", ".parquet"}
    hub.faults.clear()
    deliver(canvases)
    assert remote(hub) == ours
    assert max(hub.received.values()) == 1


@pytest.mark.parametrize("skip", [0, 1])
def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, canvases, ours, skip):
    hub.fail("POST .*/commit/", 502, late=True, skip=skip)
    deliver(canvases)
    assert remote(hub) == ours
    assert len(hub.dataset(NAME).messages) == 3


def test_after_a_last_commit_that_failed_only_that_is_made_again(hub, canvases, ours):
    with pytest.raises(HubError):
        deliver(canvases, before_finish=lambda: hub.fail("POST .*/commit/", 503, times=1000))
    assert not json.loads(remote(hub)[DATASET])["complete"]
    hub.faults.clear()
    received = {sha: n for sha, n in hub.received.items() if n}
    assert deliver(canvases) == 0
    assert remote(hub) == ours
    assert {sha: hub.received[sha] for sha in received} == received


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(hub, canvases, ours):
    def edit():
        hub.dataset(NAME).edit("rejected.parquet", b"theirs")

    with pytest.raises(HubError, match=r"somebody else changed it meanwhile .*; run again"):
        deliver(canvases, before_finish=edit)
    assert remote(hub)["rejected.parquet"] == b"theirs"
    deliver(canvases)
    assert remote(hub) == ours


def test_a_shard_that_arrives_otherwise_is_found_before_it_is_deleted_here(hub, canvases, ours):
    hub.spoiled.add("shards/00001.tar")
    with pytest.raises(HubError, match=r"is not what was sent: shards/00001\.tar \(1 in all\)"):
        deliver(canvases)
    assert (canvases / "shards/00001.tar").is_file()
    hub.spoiled.clear()
    deliver(canvases)
    assert remote(hub) == ours


def test_a_shard_with_other_bytes_of_the_same_size_is_found_at_the_next_run(hub, canvases, ours):
    deliver(canvases)
    data = bytearray(ours["shards/00001.tar"])
    data[700] ^= 1
    hub.dataset(NAME).edit("shards/00001.tar", bytes(data))
    with delivering(canvases):
        pass
    marks = {path.stem for path in (canvases / ".compile/sent").iterdir()}
    assert marks == {"00000", "00002"}


def test_a_shard_that_is_not_there_any_more_at_the_end_is_told(hub, canvases):
    def lose():
        found = hub.dataset(NAME)
        del found.trees[found.heads["main"]]["shards/00001.tar"]

    with pytest.raises(RunError, match=r"1 shards are not there as they were sent, such as 00001"):
        deliver(canvases, before_finish=lose)
    assert not json.loads(remote(hub)[DATASET])["complete"]


def test_shards_that_are_no_more_go_with_the_last_commit_and_other_files_stay(
    hub, canvases, write_canvases, files
):
    deliver(canvases)
    hub.dataset(NAME).edit("LICENSE", b"mine")
    write_canvases(canvases, [0, 1])
    ours = files(canvases)
    commits = hub.commits()
    deliver(canvases)
    assert remote(hub) == ours | {"LICENSE": b"mine"}
    assert hub.commits() == commits + 1


def test_a_lost_work_folder_is_fetched_without_a_tar(hub, canvases, tmp_path, ours):
    deliver(canvases)
    hub.asked.clear()
    with delivering(tmp_path / "new"):
        pass
    names = {
        path.relative_to(tmp_path / "new").as_posix() for path in (tmp_path / "new").rglob("*.*")
    }
    assert {name for name in ours if not name.endswith((".tar", ".text.safetensors"))} <= names
    assert not any(request.endswith(".tar") for request in hub.asked)
    received = dict(hub.received)
    assert deliver(tmp_path / "new") == 0
    assert dict(hub.received) == received


def test_parts_of_a_tar_are_read_from_the_hub(hub, canvases, ours):
    deliver(canvases)
    with delivering(canvases) as delivery:
        assert delivery.read_tar(1, 512, 100) == ours["shards/00001.tar"][512:612]
        with pytest.raises(RunError, match=rf"{URL}/shards/00007\.tar vanished; run again"):
            delivery.read_tar(7, 0, 1)


def test_a_branch_is_made_and_main_stays_as_it_was(hub, canvases, ours):
    deliver(canvases, f"{URL}@v2")
    assert remote(hub, "v2") == ours
    assert not remote(hub)


def test_a_pull_request_is_added_to_where_one_may_not_write(hub, canvases, ours):
    found = hub.make("another/colours")
    found.heads["refs/pr/1"] = found.heads["main"]
    deliver(canvases, "hf://datasets/another/colours@refs/pr/1")
    assert set(found.files("refs/pr/1")) == {*ours, ".gitattributes"}
    assert set(found.files()) == {".gitattributes"}


def test_a_private_repository_stays_private(hub, canvases, ours):
    hub.make(NAME, private=True)
    deliver(canvases)
    assert hub.dataset(NAME).private
    assert remote(hub) == ours


def test_a_card_that_was_edited_on_the_hub_is_kept(hub, canvases):
    hub.make(NAME).edit("README.md", b"my own words")
    deliver(canvases)
    assert remote(hub)["README.md"] == b"my own words"


def test_a_repository_of_something_else_is_refused(hub, canvases):
    hub.make(NAME).edit("train.csv", b"a,b")
    with pytest.raises(HubRefusedError, match=r"holds something else \(train\.csv\) and no data"):
        deliver(canvases)
    hub.dataset(NAME).edit(DATASET, b'{"task": "edit"}')
    with pytest.raises(OutputError, match=rf"{URL}: its dataset\.json is not onepic's; give anoth"):
        deliver(canvases)
    hub.dataset(NAME).edit(DATASET, b'{"fingerprint": "another"}')
    with pytest.raises(OutputError, match="holds another dataset than its work folder"):
        deliver(canvases)
    assert not hub.received


@pytest.mark.parametrize(
    "url",
    [
        "hf://someone/model",
        "hf://datasets/someone",
        f"{URL}/inside",
        f"{URL}@main/inside",
        f"{URL}@{'a' * 40}",
        "simplecache::hf://datasets/someone/colours",
    ],
)
def test_an_address_that_cannot_be_written_to_is_refused(hub, canvases, url):
    with pytest.raises(OutputError, match="nothing can be compiled there; give hf://datasets/USER"):
        deliver(canvases, url)
    assert not hub.asked


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, (NAME, None)),
        (f"{URL}/", (NAME, None)),
        (f"{URL}@v2", (NAME, "v2")),
        (f"{URL}@refs/pr/12", (NAME, "refs/pr/12")),
        (f"{URL}@my%2Fbranch", (NAME, "my/branch")),
    ],
)
def test_an_address_names_a_repository_and_a_branch(url, expected):
    assert hub_folder.parse_address(url) == expected


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "does not accept your token"), (403, "gives no permission to write there")],
)
def test_a_login_that_may_not_write_is_told_before_anything_is_sent(hub, canvases, status, message):
    hub.fail("POST /api/repos/create", status)
    with pytest.raises(HubRefusedError, match=message):
        deliver(canvases)
    assert not hub.received


def test_a_hub_that_asks_for_patience_gets_it(hub, canvases, ours):
    hub.fail("POST .*/commit/", 429, times=2, headers={"Retry-After": "0"})
    hub.fail("POST .*/preupload/", 429, headers={"Retry-After": "0"})
    hub.fail("GET .*/tree/", 503)
    deliver(canvases)
    assert remote(hub) == ours


def test_errors_of_the_hub_do_not_show_the_token(hub, canvases):
    hub.fail("POST .*/commit/", 403, message="Bearer hf_onlyForTheTestsOfThisProject is bad")
    with pytest.raises(HubRefusedError) as caught:
        deliver(canvases)
    assert "onlyForTheTests" not in str(caught.value)


def compile_onto(project, url=URL):
    return compile_dataset(
        project.recipe(), url, recipe_folder=project.root, scheduling=Scheduling(local=True)
    )


def test_compiling_onto_the_hub_gives_what_compiling_and_publishing_give(hub, project):
    """The pictures of canvases.png come from tars that are on the Hub alone."""
    summary = compile_onto(project)
    assert (summary.made, summary.sent, summary.url) == (3, 3, URL)
    assert left_here(summary.output) == {".parquet"}
    ours, theirs = project.files(), remote(hub)
    assert {name for name in ours if theirs.get(name) != ours[name]} == {CARD}
    assert not publish_dataset(project.output, Destination(NAME)).difference


def test_a_changed_picture_sends_its_shard_alone_and_nobody_reads_a_mixture(hub, project):
    compile_onto(project)
    before, trees = dict(hub.received), len(hub.dataset(NAME).trees)
    shutil.copy(project.root / "pictures/000.png", project.root / "pictures/003.png")
    summary = compile_onto(project)
    assert (summary.made, summary.sent) == (1, 1)
    assert compile_onto(project).made == 0
    states = [
        json.loads(tree[DATASET].data)["complete"]
        for tree in list(hub.dataset(NAME).trees.values())[trees:]
    ]
    assert states == [False, True]
    assert {sha: hub.received[sha] for sha in before} == before
    project.compile()
    assert not publish_dataset(project.output, Destination(NAME)).difference
