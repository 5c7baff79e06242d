"""metrics.jsonl has a line for each step that was logged, once, however often a run stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onepic.common.errors import SettingsError
from onepic.trainer.metrics import METRICS, Metrics, check_tracker, read_metrics


class Process:
    """Stands in for accelerate, and notes what trackers are told."""

    def __init__(self, main: bool = True) -> None:
        self.is_main_process = main
        self.told: list[tuple[int | None, dict[str, Any]]] = []

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.told.append((step, values))


def log(run: Path, step: int, *lines: int) -> Process:
    process: Any = Process()
    metrics = Metrics(run, process, step)
    for line in lines:
        metrics.log(line, {"loss": line / 10})
    return process


def steps(run: Path) -> list[int]:
    return [line["step"] for line in read_metrics(run)]


def test_a_line_has_its_step_and_figures(tmp_path):
    process = log(tmp_path, 0, 10)
    assert read_metrics(tmp_path) == [{"step": 10, "loss": 1.0}]
    assert process.told == [(10, {"loss": 1.0})]


def test_a_resumed_run_writes_after_its_checkpoint(tmp_path):
    log(tmp_path, 0, 10, 20, 30, 40)
    log(tmp_path, 20, 30)
    assert steps(tmp_path) == [10, 20, 30]


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    log(tmp_path, 0, 10, 20)
    path = tmp_path / METRICS
    path.write_text(path.read_text()[:-5])
    assert steps(tmp_path) == [10]
    log(tmp_path, 20, 30)
    assert steps(tmp_path) == [10, 30]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_run_that_begins_again_has_no_lines_of_the_one_before(tmp_path):
    log(tmp_path, 0, 0, 10)
    log(tmp_path, 0, 0)
    assert steps(tmp_path) == [0]


def test_a_run_without_metrics_has_no_lines(tmp_path):
    assert read_metrics(tmp_path) == []


def test_other_processes_write_nothing(tmp_path):
    process: Any = Process(main=False)
    Metrics(tmp_path, process, 0).log(1, {"loss": 1.0})
    assert not (tmp_path / METRICS).exists()


def test_a_tracker_that_is_missing_is_an_error_before_the_run(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_tracker("none")
    with pytest.raises(SettingsError, match="wandb is not installed; pip install wandb"):
        check_tracker("wandb")


def test_tensorboard_comes_with_the_package():
    check_tracker("tensorboard")
