"""A run goes on only as the run that it was, and every difference is told."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from onepic.common.errors import SettingsError
from onepic.trainer.resume import check_same_run
from onepic.trainer.settings import Settings

FOLDER = Path("runs/a/checkpoints/step-0000500")


def identity(**changes: Any) -> dict[str, Any]:
    return {
        "settings": Settings.model_validate(changes).model_dump(mode="json"),
        "datasets": [{"fingerprint": "abc", "samples": 24}],
        "base": {"name": "miniature", "revision": None},
        "processes": 1,
        "precision": "no",
    }


def saved(**changes: Any) -> Any:
    """As it comes back from a checkpoint."""
    return json.loads(json.dumps(identity(**changes)))


def differences(before: Any, now: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        check_same_run(FOLDER, before, now)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert message.startswith(f"{FOLDER} is of another run: ")
    assert message.endswith("; give the same datasets and settings, or another --output")
    return message


def test_the_same_run_goes_on():
    check_same_run(FOLDER, saved(), identity())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_every", 7),
        ("checkpoint_every", 7),
        ("keep_checkpoints", 7),
        ("validate_every", 7),
        ("tracker", "none"),
        ("gradient_checkpointing", False),
        ("model", "miniature"),
        ("precision", "no"),
    ],
)
def test_what_changes_nothing_of_what_is_computed_may_change(name, value):
    check_same_run(FOLDER, saved(), identity(**{name: value}))


@pytest.mark.parametrize(
    ("name", "before", "now"),
    [
        ("batch_size", 4, 8),
        ("seed", 0, 1),
        ("learning_rate", 0.001, 0.01),
        ("accumulation", 1, 2),
        ("min_snr", None, 5.0),
        ("weights", None, [1.0]),
        ("betas", [0.9, 0.999], [0.8, 0.999]),
        ("validation_samples", 32, 0),
        ("ema", None, 0.9),
    ],
)
def test_every_other_setting_is_told_with_both_sides(name, before, now):
    message = differences(saved(), identity(**{name: now}))
    assert f"{name} was {before} and is {now};" in message


def test_all_differences_are_told_at_once():
    now = identity(seed=1, adapter={"rank": 8})
    now["processes"], now["precision"] = 2, "bf16"
    now["datasets"][0]["fingerprint"] = "def"
    now["base"]["revision"] = "main"
    message = differences(saved(), now)
    for expected in (
        "seed was 0 and is 1",
        "adapter.rank was 32 and is 8",
        "processes was 1 and is 2",
        "precision was no and is bf16",
        "base.revision was None and is main",
        "'abc'",
        "'def'",
    ):
        assert expected in message


def test_a_difference_is_told_once():
    now = identity(precision="bf16", model="other")
    now["precision"], now["base"]["name"] = "bf16", "other"
    message = differences(saved(), now)
    assert message.count(" was ") == 2


@pytest.mark.parametrize("steps", [20_000, 5_000])
def test_a_run_of_constant_rate_can_be_made_longer_or_shorter(steps):
    check_same_run(FOLDER, saved(), identity(steps=steps))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "cosine_with_restarts", "polynomial"])
def test_a_run_whose_rate_depends_on_its_length_cannot(schedule):
    message = differences(saved(schedule=schedule), identity(schedule=schedule, steps=20_000))
    assert "steps was 10000 and is 20000" in message


def test_another_schedule_is_told_together_with_the_length():
    message = differences(saved(), identity(schedule="linear", steps=20_000))
    assert "steps was 10000 and is 20000" in message
    assert "schedule was constant and is linear" in message


def test_a_setting_of_a_later_release_that_is_unset_is_no_difference():
    before = saved()
    del before["settings"]["min_snr"]
    check_same_run(FOLDER, before, identity())
    assert "min_snr was None and is 5.0" in differences(before, identity(min_snr=5))


def test_comparing_changes_neither_side():
    before, now = saved(), identity(seed=1)
    copies = deepcopy((before, now))
    differences(before, now)
    assert (before, now) == copies


def test_a_branch_that_moved_is_told_with_the_commit_that_the_run_read():
    before, now = saved(), identity()
    before["datasets"][0]["commit"], now["datasets"][0]["commit"] = "a" * 40, "b" * 40
    with pytest.raises(SettingsError, match=rf"\(hf://\.\.\.@{'a' * 40} is what it read\) or an"):
        check_same_run(FOLDER, before, now)
    check_same_run(FOLDER, before, deepcopy(before))
