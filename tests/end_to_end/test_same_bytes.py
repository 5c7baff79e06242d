"""The bytes of a dataset follow from its recipe and its source, however it came to be."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

LOCAL = ("recipe.yaml", "--output", "data", "--local")
RAY = ("recipe.yaml", "--output", "data", "--workers")


@pytest.fixture(scope="module")
def compiled(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Forty shards, so that a run lasts longer than its start, made in one process."""
    project = type(finished_project)(tmp_path_factory.mktemp("forty"))
    project.draw(*range(40))
    project.write_recipe(samples_per_shard=1)
    project.compile(samples_per_shard=1)
    return project


@pytest.fixture
def pictures(compiled: Project, bare_project: Project) -> Project:
    """The same project with nothing compiled."""
    shutil.copytree(compiled.root, bare_project.root, ignore=lambda *_: [compiled.output.name])
    return bare_project


@pytest.fixture
def expected(compiled: Project) -> dict[str, bytes]:
    """The files of an uninterrupted run in one process."""
    return compiled.files()


@pytest.mark.parametrize("workers", [1, 2])
def test_ray_makes_the_bytes_of_a_run_in_one_process(
    pictures: Project, onepic_compile: Command, expected: dict[str, bytes], workers: int
) -> None:
    result = onepic_compile.here(*RAY, workers)
    assert result.code == 0, result.errors
    assert pictures.files() == expected


@pytest.mark.parametrize("arguments", [LOCAL, (*RAY, 2)], ids=["local", "ray"])
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(
    pictures: Project, onepic_compile: Command, expected: dict[str, bytes], arguments: tuple[str]
) -> None:
    moments = random.Random(5)
    for _ in range(2):
        process = onepic_compile.start(*arguments)
        wait_for_a_shard(pictures, process.poll)
        time.sleep(moments.uniform(0, 0.3))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert len(list(pictures.output.glob("shards/*.parquet"))) < 40, "it was killed too late"
    result = onepic_compile.here(*arguments)
    assert result.code == 0, result.errors
    assert pictures.files() == expected
    assert not list(pictures.output.glob(".compile/*.tar")), "half-written shards were left behind"


def wait_for_a_shard(project: Project, ended: object) -> None:
    """Until there is one complete shard more than now, or the run has ended."""
    before = len(list(project.output.glob("shards/*.parquet")))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and ended() is None:
        if len(list(project.output.glob("shards/*.parquet"))) > before:
            return
        time.sleep(0.02)


def test_shards_kept_from_a_killed_run_are_not_made_again(
    pictures: Project, onepic_compile: Command, expected: dict[str, bytes]
) -> None:
    process = onepic_compile.start(*LOCAL)
    wait_for_a_shard(pictures, process.poll)
    process.kill()
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in pictures.output.glob("shards/*.parquet")}
    assert 0 < len(kept) < 40
    assert onepic_compile.here(*LOCAL).code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
