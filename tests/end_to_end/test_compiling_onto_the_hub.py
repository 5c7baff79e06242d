"""`onepic-compile --output hf://...`: stopped, killed, begun again, read and trained from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hub import Hub
from hub_server import served

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

NAME = "someone/colours"
URL = f"hf://datasets/{NAME}"
TOKEN = "hf_onlyForTheTestsOfThisProject"
SMALL = (
    *("--set", "gradient_checkpointing=false", "--set", "tracker=none", "--steps", "2"),
    *("--batch-size", "2"),
)
READ = f"""
from datasets import load_dataset
from onepic.trainer import open_canvases

print(len(open_canvases("{URL}")))
rows = list(load_dataset("{NAME}", split="train", streaming=True))
print(len(rows), rows[11]["txt"], rows[11]["webp"].size)
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with served(Hub(accounts={TOKEN: "someone"})) as hub:
        yield hub


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """What the libraries read when they are loaded; `HF_HUB_DISABLE_XET` as the server has none."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "hf"),
        "ONEPIC_CACHE": str(tmp_path / "cache"),
    }


def end_when_held(hub: Hub, process: subprocess.Popen[str], how: signal.Signals) -> str:
    """End a command while the Hub does not answer it; what it printed to stderr."""
    assert hub.held.wait(200), process.communicate()
    os.killpg(process.pid, how)
    _, errors = process.communicate(timeout=30)  # less than it is held for
    hub.released.set()
    hub.held.clear()
    hub.holds_after = None
    return errors


def test_a_run_that_was_killed_goes_on_sends_nothing_twice_and_is_read_from_the_hub(
    pictures: Project,
    command: type[Command],
    hub: Hub,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    compile_it = command(pictures.root, "compiler", environment)
    arguments = ("recipe.yaml", "--output", URL, "--local")
    hub.holds_after = 4  # in the middle of an upload, with one shard that waits for its commit
    process = compile_it.start(*arguments)
    errors = end_when_held(hub, process, signal.SIGINT)
    assert process.returncode == 130
    assert "stopped; complete shards are kept, run again to continue" in errors
    hub.released.clear()
    hub.hold("POST .*/commit/")
    end_when_held(hub, compile_it.start(*arguments), signal.SIGKILL)
    assert set(hub.dataset(NAME).files()) == {".gitattributes"}
    assert len(hub.received) == 6 + 6 + 1, "tars, indexes, and texts, which are all alike"
    result = compile_it(*arguments)
    assert result.code == 0, result.errors
    assert "nothing to do: 6 shards are up to date" in result.output
    assert f"{URL}: 12 samples of colorization" in result.output
    assert f"next: onepic-train {URL}" in result.output
    assert max(hub.received.values()) == 1
    check_no_token(result.output + result.errors, tmp_path)
    pictures.compile()
    ours, theirs = pictures.files(), hub.dataset(NAME).files()
    assert {name for name in ours if theirs[name].data != ours[name]} == {"README.md"}
    trained = command(pictures.root, "trainer", environment)(URL, "--output", "run", *SMALL)
    assert trained.code == 0, trained.errors
    assert (pictures.root / "run/pytorch_lora_weights.safetensors").is_file()
    read = subprocess.run(
        [sys.executable, "-c", READ],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert read.returncode == 0, read.stderr
    assert read.stdout.splitlines() == ["12", "12 colorize (128, 64)"]


def check_no_token(printed: str, folder: Path) -> None:
    """Nothing printed, and no file, holds the token."""
    assert TOKEN not in printed
    for path in folder.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
