"""`onepic-compile --output s3://...`: killed, begun again, and trained from."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("moto", reason="moto[s3] is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")

from s3 import BUCKET, served

if TYPE_CHECKING:
    from tests.conftest import Project
    from tests.end_to_end.conftest import Command

URL = f"s3://{BUCKET}/colours"
SMALL = (
    *("--set", "gradient_checkpointing=false", "--set", "tracker=none", "--steps", "2"),
    *("--batch-size", "2"),
)


@pytest.fixture
def s3() -> Iterator[Any]:
    with served() as s3:
        yield s3


def test_a_killed_run_goes_on_sends_nothing_twice_and_is_trained_from_the_store(
    pictures: Project, command: type[Command], s3: Any, tmp_path: Path
) -> None:
    environment = {**s3.environment, "ONEPIC_CACHE": str(tmp_path / "cache")}
    compile_it = command(pictures.root, "compiler", environment)
    s3.holds_after = 5
    process = compile_it.start("recipe.yaml", "--output", URL, "--local")
    assert s3.held.wait(200), process.communicate()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    arrived = dict(s3.received)
    s3.holds_after = None
    s3.released.set()
    result = compile_it("recipe.yaml", "--output", URL, "--local")
    assert result.code == 0, result.errors
    shards = [key for key in arrived if "/shards/" in key]
    assert len(shards) == 4
    assert {key: s3.received[key] for key in shards} == dict.fromkeys(shards, 1)
    assert f"{URL}: 12 samples of colorization" in result.output
    assert f"next: onepic-train {URL}" in result.output
    assert "onlyForTheTests" not in result.output + result.errors
    train = command(pictures.root, "trainer", environment)
    result = train(URL, "--output", "run", *SMALL)
    assert result.code == 0, result.errors
    assert (pictures.root / "run/pytorch_lora_weights.safetensors").is_file()
