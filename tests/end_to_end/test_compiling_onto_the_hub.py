"""`onepic-compile --output hf://...`: stopped, killed, begun again, and read."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from hub import TOKEN, Hub

from onepic.dataset.stores.cache import CacheSettings
from onepic.trainer import open_canvases

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

NAME = "someone/colours"
URL = f"hf://datasets/{NAME}"


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
    hub.fail("PUT /storage/", 500)
    hub.holds_after = 4  # in the middle of an upload, with one shard that waits for its commit
    process = compile_it.start(*arguments)
    errors = end_when_held(hub, process, signal.SIGINT)
    assert process.returncode == 130
    assert "stopped; complete shards are kept, run again to continue" in errors
    assert "HTTP Error 500 thrown while requesting PUT" in errors
    assert "secret-signature" not in errors
    hub.released.clear()
    hub.hold("POST .*/commit/", skip=1)  # the first one is of what the other run left
    end_when_held(hub, compile_it.start(*arguments), signal.SIGKILL)
    unfinished = hub.dataset(NAME).files()
    assert b'"complete": false' in unfinished["dataset.json"].data
    assert "shards/00000.tar" in unfinished
    assert "shards/00005.tar" not in unfinished
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
    canvases = open_canvases(URL, CacheSettings(tmp_path / "fetched"))
    assert len(canvases) == 12


def check_no_token(printed: str, folder: Path) -> None:
    """Nothing printed, and no file, holds the token."""
    assert TOKEN not in printed
    for path in folder.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
