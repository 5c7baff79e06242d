"""Whether a run may go on from a checkpoint: it has to compute what the one before would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.errors import SettingsError
from ..common.tree import changes
from .checkpoint import list_checkpoints, read_state
from .division import ROWS

#: Settings that change nothing of what is computed, and the last four, whose outcome is compared
#: instead: the model and the datasets that were opened, the precision that was chosen.
_FREE = {
    "log_every",
    "checkpoint_every",
    "keep_checkpoints",
    "validate_every",
    "tracker",
    "gradient_checkpointing",
    "model",
    "revision",
    "precision",
    "validation",
}


def check_same_run(folder: Path, saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Compare the identities of a checkpoint and of the run that would go on from it.

    A run whose learning rate does not depend on its length can be made longer.

    Raises:
        SettingsError: naming every difference, with both sides.
    """
    free = {f"settings.{name}" for name in _FREE}
    if saved["settings"]["schedule"] == current["settings"]["schedule"] == "constant":
        free.add("settings.steps")
    found = [
        f"{change.path.removeprefix('settings.')} was {change.old} and is {change.new}"
        for change in changes(saved, current, absent=None)
        if change.path not in free
    ]
    if found:
        raise SettingsError(
            f"{folder} is of another run: {'; '.join(found)}; give the same datasets and settings, "
            f"{_advise_on_commits(saved)}or another --output"
        )


def rules_of(run: Path) -> list[str]:
    """How the run in a folder divided its datasets, to be told to `divide`; none where none is.

    Raises:
        RunError: when its newest checkpoint is damaged.
    """
    found = list_checkpoints(run)
    datasets = read_state(found[-1])["identity"]["datasets"] if found else ()
    return [dataset.get("held_out", ROWS) for dataset in datasets]


def _advise_on_commits(saved: Mapping[str, Any]) -> str:
    """How to train on what a branch of the Hub was when the run began."""
    commits = [dataset["commit"] for dataset in saved["datasets"] if dataset.get("commit")]
    return f"(hf://...@{', @'.join(commits)} is what it read) " if commits else ""
