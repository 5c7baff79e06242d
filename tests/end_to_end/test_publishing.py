"""`onepic-publish` against a Hub: stopped, killed, refused; and what others then do with it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hub import TOKEN, Hub
from hub_server import served
from huggingface_hub import DatasetCard

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Command, Result

NAME = "someone/colours"
URL = f"hf://datasets/{NAME}"
SMALL = (
    *("--set", "gradient_checkpointing=false", "--set", "tracker=none", "--steps", "3"),
    *("--batch-size", "2", "--set", "validate_every=3", "--set", "checkpoint_every=2"),
)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with served(Hub(accounts={TOKEN: "someone"})) as hub:
        yield hub


@pytest.fixture
def data(tmp_path: Path, compiled_colours: Path) -> Path:
    """A compiled dataset of five shards, in the folder where the commands run."""
    return Path(shutil.copytree(compiled_colours, tmp_path / "work" / "data"))


@pytest.fixture
def publish(data: Path, environment: dict[str, str], command: type[Command]) -> Command:
    """`publish(*arguments)` runs onepic-publish as `someone`."""
    return command(data.parent, "compiler.publishing", environment)


@pytest.fixture
def train(data: Path, environment: dict[str, str], command: type[Command]) -> Command:
    """`train(*arguments)` runs onepic-train as `someone`."""
    return command(data.parent, "trainer", environment)


def run_snippets(card: str, folder: Path, environment: dict[str, str], extra: str) -> str:
    """Run every Python example of a card as it stands, then `extra`; what they print."""
    code = "\n".join([*re.findall(r"```python\n(.*?)```", card, re.DOTALL), extra])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_no_token(result: Result, *folders: Path) -> None:
    """Nothing printed, and no file, holds the token."""
    assert TOKEN not in result.output + result.errors
    for folder in folders:
        for path in folder.rglob("*"):
            assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


def test_a_killed_publication_goes_on_without_sending_finished_shards_again(
    publish: Command, hub: Hub, data: Path, tmp_path: Path
) -> None:
    hub.holds_after = 4
    process = publish.start("data", NAME)
    assert hub.held.wait(120), process.communicate()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    arrived = dict(hub.received)
    assert sum(arrived.values()) >= 4
    hub.holds_after = None
    hub.released.set()
    result = publish("data", NAME)
    assert result.code == 0, result.errors
    assert f"published: {URL} at commit {hub.dataset(NAME).heads['main']}" in result.output
    assert f"next: onepic-train {URL} --output runs/colours" in result.output
    # The texts of all shards are alike, and the library may send them at once.
    assert {sha256: hub.received[sha256] for sha256 in arrived} == arrived
    tars = {path.name: path.read_bytes() for path in data.glob("shards/*.tar")}
    theirs = hub.dataset(NAME).files()
    assert {name: theirs[f"shards/{name}"].data for name in tars} == tars
    check_no_token(result, data, tmp_path / "hf")
    again = publish("data", NAME)
    assert again.output.startswith(f"nothing to do: {URL} holds the very same dataset")


def test_ctrl_c_says_how_to_go_on_and_leaves_with_130(publish: Command, hub: Hub) -> None:
    hub.holds_after = 2
    process = publish.start("data", NAME)
    assert hub.held.wait(120), process.communicate()
    hub.holds_after = None
    process.send_signal(signal.SIGINT)
    hub.released.set()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; what has arrived stays there, run again to continue" in errors
    assert "Traceback" not in errors


def test_the_card_is_valid_and_its_examples_run_as_they_stand(
    publish: Command, hub: Hub, data: Path, environment: dict[str, str]
) -> None:
    assert publish("data", NAME).code == 0
    here, there = (data / "README.md").read_text(), hub.dataset(NAME).files()["README.md"].data
    for card, folder in ((here, data), (there.decode(), data.parent)):
        head = DatasetCard(card).data
        assert head.task_categories == ["image-to-image"]
        assert head.size_categories == ["n<1K"]
        assert {"onepic", "colorization"} <= set(head.tags)
        extra = 'print(load_dataset("data", split="train")[23]["__key__"])'
        printed = run_snippets(card, folder, environment, extra if folder != data else "")
        assert "colorize (128, 64)" in printed
        assert "colorize (4, 8, 16) 64" in printed
        assert "torch.Size([1, 4, 8, 16])" in printed
    assert "000000023" in printed, "the head of the card tells datasets what the folder is"


def test_two_runs_at_once_train_from_the_hub_and_fetch_each_shard_once(
    publish: Command, train: Command, hub: Hub, data: Path
) -> None:
    assert publish("data", NAME).code == 0
    commit = hub.dataset(NAME).heads["main"]
    runs = [train.start(URL, "--output", f"run{number}", *SMALL) for number in range(2)]
    for run in runs:
        output, errors = run.communicate(timeout=300)
        assert run.returncode == 0, errors
        assert TOKEN not in output + errors
    weights = [
        (data.parent / name / "pytorch_lora_weights.safetensors").read_bytes()
        for name in ("run0", "run1")
    ]
    assert weights[0] == weights[1]
    card = (data.parent / "run0/README.md").read_text()
    assert f"`{URL}` at commit {commit}: 24 samples" in card
    tars = [request for request in hub.asked if request.endswith(".tar") and "GET" in request]
    assert len(tars) == len(set(tars)) == 5


def test_a_hub_that_repeats_the_token_does_not_get_it_printed(
    publish: Command, hub: Hub, data: Path
) -> None:
    hub.fail("POST /api/repos/create", 500, message=f"Bearer {TOKEN} broke the Hub")
    hub.fail("PUT /storage/", 500, times=1)
    result = publish("data", NAME, "--debug")
    assert result.code == 1
    assert "Traceback" in result.errors
    assert "onepic-publish: someone/colours: the Hub answered 500" in result.errors
    check_no_token(result, data.parent)
    retried = publish("data", NAME)
    assert retried.code == 0, retried.errors
    assert "HTTP Error 500 thrown while requesting PUT" in retried.errors
    assert "secret-signature" not in retried.errors
