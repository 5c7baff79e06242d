"""What a run trains on and what it validates on have no picture in common, or the run says so."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from onepic.compiler import open_dataset
from onepic.dataset.names import shard_path
from onepic.trainer.canvases import Canvases, open_canvases
from onepic.trainer.division import GROUPS, ROWS, divide, validate_on

PANELS = 3


@pytest.fixture(scope="module")
def portraits(compiled_portraits: Path) -> Canvases:
    return open_canvases(compiled_portraits)


@pytest.fixture
def older(compiled_portraits: Path, tmp_path: Path, make_older) -> Canvases:
    """The same, but for an index that does not say what samples share."""
    folder = Path(shutil.copytree(compiled_portraits, tmp_path / "older"))
    make_older(shard_path(folder, 0, ".parquet"))
    return open_canvases(folder)


def panels_of(folder: Path, samples: Sequence[int]) -> list[list[bytes]]:
    """The latents of each sample's panels, in their order; equal pictures have equal latents."""
    dataset = open_dataset(folder)
    found = (np.split(dataset[int(number)].latents, PANELS, axis=2) for number in samples)
    return [[panel.tobytes() for panel in sample] for sample in found]


def leaks(folder: Path, training: Sequence[int], held_out: Sequence[int]) -> int:
    """How many held-out canvases have a target that stands anywhere in a training canvas."""
    trained = {panel for panels in panels_of(folder, training) for panel in panels}
    return sum(panels[-1] in trained for panels in panels_of(folder, held_out))


def test_no_held_out_target_stands_in_a_training_canvas(compiled_portraits, portraits):
    division = divide([portraits], 32)
    assert leaks(compiled_portraits, division.training[0], division.held_out[0]) == 0
    by_rows = divide([portraits], 32, [ROWS])
    assert leaks(compiled_portraits, by_rows.training[0], by_rows.held_out[0]) == 28


def test_what_is_held_out_of_one_dataset_is_not_trained_on_in_another(
    compiled_portraits, portraits, compiled_colours
):
    again = open_canvases(compiled_portraits)
    division = divide([portraits, open_canvases(compiled_colours), again], 20)
    assert [len(part) for part in division.held_out] == [20, 2, 20]
    for training in division.training[::2]:
        assert leaks(compiled_portraits, training, division.held_out[0]) == 0
        assert len(training) == 260


def test_whole_persons_are_held_out_and_it_is_said(portraits):
    division = divide([portraits], 20)
    assert division.rules == (GROUPS,)
    assert division.notes == (f"{portraits.name}: held out 20 of 280 samples: 1 whole group",)
    assert len(set(division.sets[0])) == 1
    assert division.validation == (portraits,)


def test_nothing_is_held_out_where_that_was_asked_for(portraits):
    division = divide([portraits], 0)
    assert len(division.training[0]) == len(portraits)
    assert not len(division.held_out[0])
    assert not division.notes


def test_an_older_dataset_is_held_out_by_samples_and_it_is_said(older):
    division = divide([older], 4)
    assert division.rules == (ROWS,)
    assert len(division.held_out[0]) == 4
    assert "which samples share a picture: single samples are held out; " in division.notes[0]
    assert division.notes[1].endswith("held out 4 of 280 samples")


def test_other_datasets_are_validated_on_and_everything_is_trained_on(portraits, compiled_colours):
    others = open_canvases(compiled_colours)
    division = validate_on([others], [portraits], 6)
    assert len(division.training[0]) == len(portraits)
    assert division.validation == (others,)
    assert division.held_out[0].tolist() == [2, 6, 10, 14, 18, 22]
    assert division.notes == (f"{others.name}: validating on 6 of 24 samples",)


def test_validating_on_what_is_trained_on_is_counted(portraits):
    notes = validate_on([portraits], [portraits], 8).notes
    assert notes[1].startswith(
        f"{portraits.name}: 8 of these have a target that is trained on, too, and their loss says"
    )


def test_validating_on_an_older_dataset_says_that_nothing_is_known(portraits, older):
    for validation, training in ((older, portraits), (portraits, older)):
        (note,) = validate_on([validation], [training], 8).notes[1:]
        assert note.startswith(f"{older.name}: its indexes are from before they said which")
