"""A run can be stopped, meet another run, or run out of disk; complete shards are kept."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

RUN = ("recipe.yaml", "--output", "data")


def wait_for_a_shard(project: Project, process: subprocess.Popen[str]) -> None:
    while not list(project.output.glob("shards/*.parquet")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("options", "signum"),
    [(["--local"], signal.SIGINT), (["--local"], signal.SIGTERM), ([], signal.SIGINT)],
    ids=["local", "local-sigterm", "ray"],
)
def test_a_stopped_run_says_how_to_go_on_and_leaves_with_130(
    pictures: Project, onepic_compile: Command, options: list[str], signum: signal.Signals
) -> None:
    pictures.draw(*range(60))
    pictures.write_recipe(samples_per_shard=1)
    process = onepic_compile.start(*RUN, *options)
    wait_for_a_shard(pictures, process)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "complete shards are kept, run again to continue" in errors
    assert "Traceback" not in errors
    kept = len(list(pictures.output.glob("shards/*.parquet")))
    result = onepic_compile(*RUN, "--local")
    assert result.code == 0, result.errors
    assert f"60 shards, {60 - kept} to make" in result.errors


def test_a_second_run_on_the_same_output_is_refused(
    pictures: Project, onepic_compile: Command
) -> None:
    pictures.draw(*range(60))
    pictures.write_recipe(samples_per_shard=1)
    first = onepic_compile.start(*RUN, "--local")
    wait_for_a_shard(pictures, first)
    second = onepic_compile(*RUN, "--local")
    assert second.code == 2
    assert f"in use by another run (process {first.pid}" in second.errors
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 0, errors


def test_a_full_disk_keeps_complete_shards_and_a_rerun_finishes(
    pictures: Project, onepic_compile: Command
) -> None:
    """A limit to the size of files stands in for the disk; one caption makes a shard hit it."""
    pictures.write_recipe(prompt="{caption|colorize}")
    caption = "words " * 20_000
    (pictures.root / "pictures" / "007.txt").write_text(caption)
    limit = 100_000
    limited = subprocess.run(
        [sys.executable, "-m", "onepic.compiler", *RUN, "--local"],
        cwd=pictures.root,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        timeout=120,
    )
    assert limited.returncode == 1
    assert "File too large; 3 of 6 shards were completed and are kept" in limited.stderr
    assert "run again to continue" in limited.stderr
    assert "Traceback" not in limited.stderr
    assert not list(pictures.output.glob(".compile/*.tar")), "a half-written shard fills the disk"
    result = onepic_compile(*RUN, "--local")
    assert result.code == 0, result.errors
    assert "6 shards, 3 to make" in result.errors
