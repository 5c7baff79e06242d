"""Checkpoints: all that a run needs to go on as if it had not stopped, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..common.errors import RunError
from ..common.files import to_json, whole_folder

CHECKPOINTS = "checkpoints"
_STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A run after `step` updates.

    `tensors` are groups of tensors by name: the adapter's weights, the optimizer's state, the
    average. `state` is everything else, as JSON can hold it.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


def save_checkpoint(run: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write a checkpoint and delete all but the newest `keep`; the folder that it is in.

    Raises:
        OSError, SafetensorError: when it cannot be written; those before it are still there.
    """
    folder = run / CHECKPOINTS
    final = folder / f"step-{checkpoint.step:07d}"
    if final.exists():  # a run's state after a step is always the same
        return final
    _remove_unfinished(folder)
    with whole_folder(final) as new:
        for name, tensors in checkpoint.tensors.items():
            save_file({key: t.contiguous() for key, t in tensors.items()}, new / _file(name))
        state = {"step": checkpoint.step, "tensors": list(checkpoint.tensors)}
        (new / _STATE).write_bytes(to_json({**state, **checkpoint.state}))
    for old in list_checkpoints(run)[:-keep]:
        shutil.rmtree(old)
    return final


def list_checkpoints(run: Path) -> list[Path]:
    """The folders of a run's checkpoints, oldest first."""
    found = [path for path in (run / CHECKPOINTS).glob("step-*") if _step(path).isdecimal()]
    return sorted(found, key=lambda path: int(_step(path)))


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint, its tensors into the memory of the CPU.

    Raises:
        RunError: when it is damaged.
    """
    state = read_state(folder)
    with _explained(folder):
        tensors = {name: load_file(folder / _file(name)) for name in state.pop("tensors")}
        return Checkpoint(state.pop("step"), tensors, state)


def read_state(folder: Path) -> dict[str, Any]:
    """The content of a checkpoint besides tensors, and the names of those.

    Raises:
        RunError: when it is damaged.
    """
    with _explained(folder):
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        return {"step": state["step"], "tensors": state["tensors"], **state}


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        raise RunError(
            f"{folder}: the checkpoint cannot be read ({error}); delete this folder and resume "
            "again, from the one before"
        ) from error


def _step(folder: Path) -> str:
    return folder.name.removeprefix("step-")


def _file(name: str) -> str:
    return f"{name}.safetensors"


def _remove_unfinished(folder: Path) -> None:
    """Delete what a killed run was writing; the output's lock keeps other runs away."""
    for left in folder.glob(".step-*"):
        shutil.rmtree(left)
