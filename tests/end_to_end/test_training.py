"""`onepic-train` on a compiled dataset: stopped, resumed, in one process and in two."""

from __future__ import annotations

import functools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Command

RUN = ("data", "--output", "run")
SMALL = (
    *("--set", "gradient_checkpointing=false", "--set", "tracker=none", "--set", "log_every=4"),
    *("--set", "checkpoint_every=3", "--batch-size", "2", "--set", "validate_every=5"),
)


def losses(run: Path) -> list[dict[str, Any]]:
    """What metrics.jsonl says of the numerics."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    names = ("step", "loss", "validation_loss", "gradient_norm", "learning_rate", "epoch")
    return [{name: line[name] for name in names if name in line} for line in lines]


def weights(run: Path) -> bytes:
    return (run / "pytorch_lora_weights.safetensors").read_bytes()


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_a_run_leaves_an_adapter_and_all_that_is_to_be_known_about_it(
    onepic_train: Command,
) -> None:
    options = ("--steps", "6", "--export", "kohya", "--set", "tracker=tensorboard")
    result = onepic_train(*RUN, *SMALL, *options)
    assert result.code == 0, result.errors
    assert "parameters are trained" in result.errors
    assert "first step done after" in result.errors
    assert "trained 6 steps; the adapter is run/pytorch_lora_weights.safetensors" in result.output
    assert "next: onepic-sample run --image grey=FILE" in result.output
    run = onepic_train.folder / "run"
    card = json.loads((run / "task.json").read_text())
    assert card["tasks"]["colorization"]["recipe"]["layout"] == [["grey", "colour"]]
    assert card["base"]["name"] == "miniature"
    assert "learning_rate: 0.001" in (run / "README.md").read_text()
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "kohya.safetensors").is_file()
    assert list(run.glob("logs/**/events.out.tfevents.*"))
    assert not [path for path in run.rglob("*") if path.suffix in (".pt", ".bin", ".pkl")]


def test_a_run_that_was_killed_goes_on_to_the_same_losses_and_weights(
    onepic_train: Command,
) -> None:
    options = ("--steps", "14", "--set", "ema=0.9", "--set", "schedule=cosine")
    whole = onepic_train("data", "--output", "whole", *SMALL, *options)
    assert whole.code == 0, whole.errors
    for checkpoint in ("step-0000003", "step-0000009"):
        process = onepic_train.start(*RUN, *SMALL, *options, "--resume")
        wait_for(onepic_train.folder / "run/checkpoints" / checkpoint, process)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    result = onepic_train(*RUN, *SMALL, *options, "--resume")
    assert result.code == 0, result.errors
    assert "resuming from run/checkpoints/step-" in result.errors
    assert losses(onepic_train.folder / "run") == losses(onepic_train.folder / "whole")
    assert weights(onepic_train.folder / "run") == weights(onepic_train.folder / "whole")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_its_last_step(
    onepic_train: Command, signum: signal.Signals
) -> None:
    process = onepic_train.start(*RUN, *SMALL, "--steps", "5000", "--set", "keep_checkpoints=1")
    run = onepic_train.folder / "run"
    wait_for(run / "metrics.jsonl", process)
    while len(losses(run)) < 2:
        time.sleep(0.02)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "give the same command with --resume to go on" in errors
    (checkpoint,) = (run / "checkpoints").iterdir()
    step = int(checkpoint.name.removeprefix("step-"))
    assert weights(run)
    result = onepic_train(*RUN, *SMALL, "--steps", step + 1, "--resume")
    assert result.code == 0, result.errors


def test_two_processes_train_on_the_batches_of_one(onepic_train: Command) -> None:
    options = (*SMALL, "--steps", "4", "--set", "validation_samples=2")
    alone = onepic_train("data", "--output", "alone", *options, "--set", "accumulation=2")
    assert alone.code == 0, alone.errors
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    subprocess.run(
        [*launch, "--standalone", "-m", "onepic.trainer", *RUN, *options],
        cwd=onepic_train.folder,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    for one, two in zip(
        losses(onepic_train.folder / "alone"), losses(onepic_train.folder / "run"), strict=True
    ):
        assert one == pytest.approx(two, rel=1e-4)


def test_a_longer_run_goes_on_from_a_finished_one(onepic_train: Command) -> None:
    assert onepic_train.here(*RUN, *SMALL, "--steps", "4").code == 0
    result = onepic_train.here(*RUN, *SMALL, "--steps", "8", "--resume")
    assert result.code == 0, result.errors
    whole = onepic_train.here("data", "--output", "whole", *SMALL, "--steps", "8")
    assert whole.code == 0, whole.errors
    assert weights(onepic_train.folder / "run") == weights(onepic_train.folder / "whole")


def test_what_is_there_is_never_overwritten(onepic_train: Command) -> None:
    assert onepic_train.here(*RUN, *SMALL, "--steps", "2").code == 0
    before = weights(onepic_train.folder / "run")
    again = onepic_train.here(*RUN, *SMALL, "--steps", "3")
    assert again.code == 2
    assert "run holds a run at step-0000002; go on with it by --resume" in again.errors
    other = onepic_train.here(*RUN, *SMALL, "--steps", "3", "--resume", "--learning-rate", "1e-4")
    assert other.code == 2
    assert "learning_rate was 0.001 and is 0.0001" in other.errors
    assert weights(onepic_train.folder / "run") == before


def test_a_second_run_on_the_same_output_is_refused(onepic_train: Command) -> None:
    first = onepic_train.start(*RUN, *SMALL, "--steps", "5000")
    wait_for(onepic_train.folder / "run/metrics.jsonl", first)
    second = onepic_train(*RUN, *SMALL, "--steps", "5000")
    first.kill()
    first.communicate()
    assert second.code == 2
    assert f"in use by another run (process {first.pid}" in second.errors


def test_a_full_disk_keeps_the_checkpoints_that_are_there(onepic_train: Command) -> None:
    assert onepic_train(*RUN, *SMALL, "--steps", "3").code == 0

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = onepic_train(*RUN, *SMALL, "--steps", "6", "--resume", preexec_fn=fill)
    assert full.code == 1
    assert "earlier checkpoints are kept, run again with --resume" in full.errors
    assert "Traceback" not in full.errors
    result = onepic_train(*RUN, *SMALL, "--steps", "6", "--resume")
    assert result.code == 0, result.errors
    assert not list((onepic_train.folder / "run/checkpoints").glob(".*"))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A web server on this machine for the files of a folder; its URL."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_remote_dataset_trains_like_a_local_one(onepic_train: Command, tmp_path: Path) -> None:
    options = (*SMALL, "--steps", "4")
    assert onepic_train("data", "--output", "local", *options).code == 0
    environment = os.environ | {"ONEPIC_CACHE": str(tmp_path / "cache")}
    with served(onepic_train.folder) as url:
        arguments = [f"{url}/data", "--output", "run", *options]
        result = subprocess.run(
            [sys.executable, "-m", "onepic.trainer", *arguments],
            cwd=onepic_train.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert result.returncode == 0, result.stderr
    assert weights(onepic_train.folder / "run") == weights(onepic_train.folder / "local")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "--set", "lerning_rate=1"], "lerning_rate: unknown key; did you mean 'learning"),
        (["data", "--steps", "0"], "--steps 0: steps: Input should be greater than or equal to 1"),
        (["data", "--set", "adapter.targets=[attn1.to_x]"], "no linear or convolution layers"),
        (["data", "--batch-size", "100"], "22 samples to train on"),
        (["data", "--config", "missing.yaml"], "missing.yaml: No such file or directory"),
        (["data", "--model", "nowhere"], "model nowhere: no such folder"),
        (["data", "--export", "onnx"], "--export onnx: known: kohya"),
        (["data", "--set", "tracker=wandb"], "wandb is not installed"),
        ([], "give a dataset"),
    ],
)
def test_a_wrong_call_is_told_before_anything_is_done(
    onepic_train: Command, arguments: list[str], message: str
) -> None:
    result = onepic_train.here(*arguments, "--output", "run")
    assert result.code == 2
    assert message in result.errors
    assert "Traceback" not in result.errors
    assert not (onepic_train.folder / "run/checkpoints").exists()


def test_settings_in_a_file_are_checked_with_their_line(onepic_train: Command) -> None:
    (onepic_train.folder / "train.yaml").write_text("steps: 5\nadapter:\n  rnk: 3\n")
    result = onepic_train.here("data", "--config", "train.yaml")
    assert result.code == 2
    assert "train.yaml:3: adapter.rnk: unknown key; did you mean 'rank'?" in result.errors


def test_a_dataset_that_is_missing_is_named(onepic_train: Command) -> None:
    result = onepic_train.here("nothing", "--output", "run")
    assert result.code == 1
    assert "nothing: no dataset.json there" in result.errors
