"""A dataset arrives on the Hub whole, and only what is missing there is sent."""

from __future__ import annotations

import json
import shutil

import pytest

from onepic.common.errors import DatasetError, HubError, HubRefusedError
from onepic.compiler import open_dataset
from onepic.compiler.card import is_as_written
from onepic.compiler.publishing import Destination, publish_dataset
from onepic.compiler.publishing import publish as publish_module
from onepic.compiler.publishing import upload as upload_module
from onepic.dataset.names import DATASET

NAME = "someone/colours"
HERE = Destination(NAME)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Wait for nothing: the library's own waits are long enough."""
    monkeypatch.setattr(publish_module, "_WAITS", (0.0, 0.0))


def remote(hub, revision="main"):
    """The files of the dataset on the Hub, but for what it makes itself."""
    files = hub.dataset(NAME).files(revision)
    return {path: blob.data for path, blob in files.items() if path != ".gitattributes"}


def test_all_of_a_dataset_arrives_and_its_listing_is_compared(hub, canvases, files):
    made = publish_dataset(canvases, HERE)
    ours = files(canvases)
    assert made.commit == hub.dataset(NAME).heads["main"]
    theirs = remote(hub)
    assert theirs.keys() == ours.keys()
    assert {path for path in ours if theirs[path] != ours[path]} == {"README.md"}
    assert b'load_dataset("someone/colours"' in theirs["README.md"]
    assert len(made.difference.sent) == len(ours)


def test_what_is_there_is_not_sent_again(hub, canvases):
    publish_dataset(canvases, HERE)
    received, commits = dict(hub.received), hub.commits()
    made = publish_dataset(canvases, HERE)
    assert not made.difference
    assert made.commit is None
    assert (dict(hub.received), hub.commits()) == (received, commits)


def test_a_changed_row_sends_its_shard_and_what_describes_the_whole(
    hub, canvases, files, write_canvases
):
    publish_dataset(canvases, HERE)
    write_canvases(canvases, [0, 77, 2])
    made = publish_dataset(canvases, HERE)
    shards = {path for path in made.difference.sent if path.startswith("shards/")}
    assert shards == {f"shards/00001.{end}" for end in ("parquet", "tar", "text.safetensors")}
    assert remote(hub)["shards/00001.tar"] == files(canvases)["shards/00001.tar"]


def test_shards_that_are_no_more_go_and_other_files_stay(hub, canvases, files, write_canvases):
    publish_dataset(canvases, HERE)
    hub.dataset(NAME).edit("LICENSE", b"mine")
    write_canvases(canvases, [0, 1])
    made = publish_dataset(canvases, HERE)
    ends = ("parquet", "tar", "text.safetensors")
    assert made.difference.stale == tuple(f"shards/00002.{end}" for end in ends)
    assert remote(hub).keys() == {*files(canvases), "LICENSE"}
    assert hub.commits() == 2


@pytest.mark.parametrize("name", ["shards/00001.tar", "shards/00000.parquet", "rejected.parquet"])
def test_a_damaged_dataset_is_refused_before_the_hub_is_asked(hub, canvases, name):
    data = (canvases / name).read_bytes()
    (canvases / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(DatasetError, match=rf"is damaged and was not published:\n  {name} "):
        publish_dataset(canvases, HERE)
    assert not hub.asked


def test_a_missing_shard_is_refused(hub, canvases):
    (canvases / "shards/00000.tar").unlink()
    with pytest.raises(DatasetError, match=r"00000\.tar is missing\nrun onepic-compile again"):
        publish_dataset(canvases, HERE)
    assert not hub.asked


def test_a_dry_run_changes_nothing(hub, canvases, files):
    made = publish_dataset(canvases, HERE, dry_run=True)
    assert made.difference.new.keys() == files(canvases).keys()
    assert not hub.repositories
    publish_dataset(canvases, HERE)
    before = hub.dataset(NAME).heads["main"]
    assert not publish_dataset(canvases, HERE, dry_run=True).difference
    assert hub.dataset(NAME).heads["main"] == before


def test_an_upload_in_parts_arrives_as_one_file(hub, canvases, files):
    hub.chunk = 4000
    publish_dataset(canvases, HERE)
    assert remote(hub)["shards/00000.tar"] == files(canvases)["shards/00000.tar"]
    assert any(request.endswith("/complete") for request in hub.asked)


@pytest.mark.parametrize("how", ["cut", "error", "patience"])
def test_an_upload_that_the_network_breaks_is_tried_again(hub, canvases, how, files):
    if how == "cut":
        hub.cut("PUT /storage/")
    elif how == "error":
        hub.fail("PUT /storage/", 500)
    else:
        hub.fail("PUT /storage/", 429, headers={"Retry-After": "0"})
    publish_dataset(canvases, HERE)
    assert remote(hub).keys() == files(canvases).keys()


def test_a_commit_whose_answer_is_lost_is_not_made_twice(hub, canvases):
    hub.fail("POST .*/commit/", 502, times=1)
    publish_dataset(canvases, HERE)
    assert hub.commits() == 2
    assert hub.dataset(NAME).messages[1:] == ["Upload a dataset compiled with onepic"]
    assert max(hub.received.values()) == 1


def test_a_hub_that_keeps_failing_is_told_and_the_next_run_sends_the_rest(hub, canvases):
    hub.fail("POST .*/commit/", 503, times=3)
    with pytest.raises(HubError, match=rf"^{NAME}: the Hub answered 503 \(.*\); run again to go o"):
        publish_dataset(canvases, HERE)
    assert hub.received
    publish_dataset(canvases, HERE)
    assert max(hub.received.values()) == 1


def test_between_two_versions_nobody_reads_a_mixture(hub, canvases, monkeypatch, files):
    """A publication of several commits says first that the dataset is not complete."""
    monkeypatch.setattr(upload_module, "COMMIT", 4)
    monkeypatch.setattr(upload_module, "TOGETHER", 3)
    publish_dataset(canvases, HERE)
    found = hub.dataset(NAME)
    states = [json.loads(tree["dataset.json"].data) for tree in list(found.trees.values())[1:]]
    assert [state["complete"] for state in states] == [False] * (len(states) - 1) + [True]
    assert len(states) == 4
    assert remote(hub).keys() == files(canvases).keys()


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(hub, canvases):
    hub.fail("POST .*/commit/", 412)
    with pytest.raises(HubError, match=r"somebody else changed it meanwhile .*; run again"):
        publish_dataset(canvases, HERE)


def test_what_arrived_otherwise_is_found(hub, canvases, monkeypatch):
    monkeypatch.setattr(publish_module, "_WAITS", ())
    hub.spoiled.add("shards/00001.tar")
    with pytest.raises(HubError, match=r"is not what was sent: shards/00001\.tar \(1 in all\)"):
        publish_dataset(canvases, HERE)
    hub.spoiled.clear()
    assert publish_dataset(canvases, HERE).difference.sent.keys() == {"shards/00001.tar"}


def test_a_card_that_was_edited_here_is_sent_as_it_is(hub, canvases):
    (canvases / "README.md").write_text("my own words")
    publish_dataset(canvases, HERE)
    assert remote(hub)["README.md"] == b"my own words"
    (canvases / "README.md").write_text("better words")
    publish_dataset(canvases, HERE)
    assert remote(hub)["README.md"] == b"better words"


def test_a_card_that_was_edited_on_the_hub_is_kept(hub, canvases, write_canvases):
    publish_dataset(canvases, HERE)
    hub.dataset(NAME).edit("README.md", b"edited in a browser")
    write_canvases(canvases, [0, 77, 2])
    made = publish_dataset(canvases, HERE)
    assert made.difference.keeps_card
    assert remote(hub)["README.md"] == b"edited in a browser"


def test_a_card_that_nobody_edited_is_written_anew(hub, canvases, write_canvases):
    publish_dataset(canvases, HERE)
    before = remote(hub)["README.md"]
    write_canvases(canvases, [0, 1])
    publish_dataset(canvases, HERE)
    card = remote(hub)["README.md"].decode()
    assert card != before.decode()
    assert card.startswith("---\n")
    assert "\n4 canvases that teach" in card
    assert is_as_written(card)


def test_a_repository_is_private_only_if_it_was_asked_for(hub, canvases):
    publish_dataset(canvases, HERE)
    publish_dataset(canvases, Destination("someone/secret", private=True))
    assert not hub.dataset(NAME).private
    assert hub.dataset("someone/secret").private
    assert hub.commits() == 2
    with pytest.raises(HubRefusedError, match="is there already and is public"):
        publish_dataset(canvases, Destination(NAME, private=True))


def test_a_branch_is_made_and_main_stays_as_it_was(hub, canvases, files):
    made = publish_dataset(canvases, Destination(NAME, "v2"))
    assert made.destination.address == f"hf://datasets/{NAME}@v2"
    assert remote(hub, "v2").keys() == files(canvases).keys()
    assert not remote(hub)


def test_a_pull_request_is_opened_where_one_may_not_write_and_can_be_added_to(
    hub, canvases, monkeypatch, files
):
    monkeypatch.setattr(upload_module, "COMMIT", 4)
    hub.make("another/canvases")
    place = Destination("another/canvases", pull_request=True)
    made = publish_dataset(canvases, place)
    found = hub.dataset("another/canvases")
    assert made.pull_request == f"{hub.url}/datasets/another/canvases/discussions/1"
    assert set(found.files("refs/pr/1")) == {*files(canvases), ".gitattributes"}
    assert set(found.files()) == {".gitattributes"}
    again = publish_dataset(canvases, Destination("another/canvases", "refs/pr/1"))
    assert not again.difference
    assert found.pull_requests == 1


def test_a_name_without_a_user_is_refused(hub, canvases):
    for name in ("colours", "a/b/c", "someone/no spaces", ""):
        with pytest.raises(HubRefusedError, match="cannot be the name of a repository; give USER/"):
            publish_dataset(canvases, Destination(name))
    assert not hub.asked


def test_a_repository_of_something_else_is_refused(hub, canvases):
    hub.make(NAME).edit("train.csv", b"a,b")
    with pytest.raises(
        HubRefusedError, match=r"holds something else \(train\.csv\) and no dataset"
    ):
        publish_dataset(canvases, HERE)
    hub.dataset(NAME).edit("dataset.json", b'{"task": "edit"}')
    with pytest.raises(HubRefusedError, match="a dataset of the task 'edit', and this one is of"):
        publish_dataset(canvases, HERE)
    assert not hub.received


def test_without_a_login_nothing_is_tried(hub, canvases, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(HubRefusedError, match="you are not logged in; run `hf auth login`, or set"):
        publish_dataset(canvases, HERE)


def test_a_wrong_token_is_told(hub, canvases, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_unknownToTheHubOfTheTests")
    with pytest.raises(HubRefusedError, match=r"the Hub does not accept your token") as caught:
        publish_dataset(canvases, HERE)
    assert "unknownToTheHub" not in str(caught.value)


def test_a_token_without_permission_is_told(hub, canvases):
    with pytest.raises(HubRefusedError, match=r"no permission to write there .*another has"):
        publish_dataset(canvases, Destination("another/canvases"))


def test_a_token_that_no_header_can_hold_is_not_quoted(hub, canvases, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_broken\x01token")
    with pytest.raises(HubRefusedError, match="your token has characters that no token has") as e:
        publish_dataset(canvases, HERE)
    assert "broken" not in str(e.value)


def test_a_hub_that_is_not_reached_is_told(hub, canvases, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match=r"the Hub cannot be reached .*; check") as caught:
        publish_dataset(canvases, HERE)
    assert caught.value.exit_code == 1


def test_the_folder_of_a_dataset_that_is_not_one_is_refused(hub, tmp_path):
    with pytest.raises(DatasetError, match=r"no dataset\.json there"):
        publish_dataset(tmp_path, HERE)


def test_files_that_are_not_the_datasets_are_not_sent_but_named(hub, canvases):
    (canvases / "notes.txt").write_text("private")
    shutil.copy(canvases / "shards/00000.tar", canvases / "shards/old.tar")
    made = publish_dataset(canvases, HERE)
    assert made.left_out == ("notes.txt", "shards/old.tar")
    assert len(open_dataset(canvases)) == 6
    assert not {"notes.txt", "shards/old.tar"} & remote(hub).keys()


def test_a_dataset_that_kept_an_address_whole_is_not_published(hub, tmp_path, write_canvases):
    folder = write_canvases(tmp_path / "old")
    info = json.loads((folder / DATASET).read_text())
    info["recipe"]["source"] = {"kind": "table", "path": "https://host/a.csv?sig=secret"}
    (folder / DATASET).write_text(json.dumps(info))
    with pytest.raises(DatasetError, match=r"old was not published: dataset\.json has the address"):
        publish_dataset(folder, HERE)
    assert not hub.asked
