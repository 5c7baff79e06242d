"""A checkpoint is whole or absent, and the newest are kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from onepic.common.errors import RunError
from onepic.trainer.checkpoint import (
    CHECKPOINTS,
    Checkpoint,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)


def checkpoint(step: int, size: int = 100) -> Checkpoint:
    random = torch.Generator().manual_seed(step)
    tensors = {
        "weights": {"a.lora": torch.randn((size, 3), generator=random), "b": torch.zeros(())},
        "optimizer": {"0.step": torch.tensor(float(step)), "0.table": torch.ones(3).byte()},
        "average": {},
    }
    return Checkpoint(step, tensors, {"losses": [0.1, 1 / 3], "identity": {"settings": {}}})


def steps(run: Path) -> list[int]:
    return [int(folder.name.removeprefix("step-")) for folder in list_checkpoints(run)]


def test_what_is_saved_is_what_is_loaded(tmp_path):
    saved = checkpoint(3)
    loaded = load_checkpoint(save_checkpoint(tmp_path, saved, keep=1))
    assert (loaded.step, loaded.state) == (3, saved.state)
    assert loaded.tensors.keys() == saved.tensors.keys()
    for group, tensors in saved.tensors.items():
        assert loaded.tensors[group].keys() == tensors.keys()
        for name, tensor in tensors.items():
            found = loaded.tensors[group][name]
            assert found.dtype == tensor.dtype
            assert torch.equal(found, tensor)


def test_tensors_that_are_views_are_saved_as_they_look(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    saved = Checkpoint(1, {"weights": {"transposed": whole.T, "row": torch.ones(4)}}, {})
    loaded = load_checkpoint(save_checkpoint(tmp_path, saved, keep=1))
    assert torch.equal(loaded.tensors["weights"]["transposed"], whole.T)


def test_nothing_in_a_checkpoint_can_run_code(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(3), keep=1)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


def test_the_newest_are_kept(tmp_path):
    for step in (1, 2, 3, 4):
        save_checkpoint(tmp_path, checkpoint(step), keep=2)
    assert steps(tmp_path) == [3, 4]


def test_a_run_of_ten_million_steps_keeps_the_newest_too(tmp_path):
    for step in (9_999_998, 9_999_999, 10_000_000):
        save_checkpoint(tmp_path, checkpoint(step), keep=2)
    assert steps(tmp_path) == [9_999_999, 10_000_000]


def test_a_folder_that_somebody_set_aside_is_left_alone(tmp_path):
    aside = tmp_path / CHECKPOINTS / "step-0000001.good"
    aside.mkdir(parents=True)
    for step in (2, 3):
        save_checkpoint(tmp_path, checkpoint(step), keep=1)
    assert steps(tmp_path) == [3]
    assert aside.is_dir()


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert list_checkpoints(tmp_path) == []


def test_saving_a_step_again_changes_nothing(tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(3), keep=2)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert save_checkpoint(tmp_path, checkpoint(3), keep=2) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_full_disk_leaves_the_checkpoints_before_and_no_rest(tmp_path, largest_file):
    save_checkpoint(tmp_path, checkpoint(1), keep=2)
    with largest_file(50_000), pytest.raises((OSError, SafetensorError)):
        save_checkpoint(tmp_path, checkpoint(2, size=100_000), keep=2)
    assert [path.name for path in (tmp_path / CHECKPOINTS).iterdir()] == ["step-0000001"]
    assert load_checkpoint(list_checkpoints(tmp_path)[-1]).step == 1
    save_checkpoint(tmp_path, checkpoint(2, size=100_000), keep=2)
    assert steps(tmp_path) == [1, 2]


def test_what_a_killed_run_was_writing_is_no_checkpoint_and_goes_away(tmp_path):
    save_checkpoint(tmp_path, checkpoint(1), keep=2)
    left = tmp_path / CHECKPOINTS / ".step-0000002.4711"
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half of it")
    assert steps(tmp_path) == [1]
    save_checkpoint(tmp_path, checkpoint(2), keep=2)
    assert steps(tmp_path) == [1, 2]
    assert not left.exists()


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_process_killed_while_saving_leaves_whole_checkpoints_only(call, tmp_path):
    """Killed where it waits for the disk: at each file, the folder, and after the new name."""
    code = (
        "import os, signal, sys, torch\n"
        "from pathlib import Path\n"
        "from onepic.trainer.checkpoint import Checkpoint, save_checkpoint\n"
        "def save(step):\n"
        "    tensors = {'weights': {'a': torch.full((1000,), float(step))}}\n"
        "    save_checkpoint(Path(sys.argv[1]), Checkpoint(step, tensors, {}), keep=2)\n"
        "save(1)\n"
        "calls = []\n"
        "def fsync(handle):\n"
        "    calls.append(handle)\n"
        "    if len(calls) == int(sys.argv[2]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.fsync = fsync\n"
        "save(2)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(call)]
    assert subprocess.run(command, env=os.environ, check=False).returncode == -signal.SIGKILL
    assert steps(tmp_path) == ([1, 2] if call == 4 else [1])
    newest = load_checkpoint(list_checkpoints(tmp_path)[-1])
    assert (newest.tensors["weights"]["a"] == newest.step).all()


@pytest.mark.parametrize("name", ["state.json", "weights.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "short", "rubbish"])
def test_a_damaged_checkpoint_is_an_error_that_says_what_to_delete(name, damage, tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(3), keep=1)
    path = folder / name
    if damage == "missing":
        path.unlink()
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        path.write_bytes(b"\xff" * 50)
    with pytest.raises(RunError, match=f"{folder}: .*delete this folder and resume"):
        load_checkpoint(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"step": 3, "tensors": 7}', "null"])
def test_a_state_of_another_form_is_damage_too(text, tmp_path):
    folder = save_checkpoint(tmp_path, checkpoint(3), keep=1)
    (folder / "state.json").write_text(text)
    with pytest.raises(RunError, match="delete this folder"):
        load_checkpoint(folder)
