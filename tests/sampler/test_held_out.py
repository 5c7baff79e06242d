"""Pictures of held-out samples, drawn at each validation of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onepic.compiler import open_dataset
from onepic.sampler import HeldOutPictures
from onepic.trainer import Settings, train


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(
        steps=2,
        batch_size=2,
        validate_every=2,
        learning_rate=1e-2,
        gradient_checkpointing=False,
        tracker="none",
        prompt_dropout=0,
    )


@pytest.fixture(scope="module")
def run(
    compiled_colours: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    train([compiled_colours], folder / "run", settings, pictures=HeldOutPictures(2, steps=3))
    return folder / "run"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), dtype=float)


def test_each_validation_has_its_picture(run: Path) -> None:
    assert sorted(path.name for path in (run / "pictures").iterdir()) == [
        "step-0000000.png",
        "step-0000002.png",
    ]


def test_a_row_is_the_filled_canvas_and_the_true_one(run: Path, compiled_colours: Path) -> None:
    drawn = pixels(run / "pictures/step-0000002.png")
    width, height = open_dataset(compiled_colours).info.canvas_size
    assert drawn.shape == (2 * height + 8, 2 * width + 8, 3)
    filled, truth = drawn[:height, :width], drawn[:height, width + 8 :]
    panel = width // 2
    np.testing.assert_array_equal(filled[:, :panel], truth[:, :panel])
    assert np.abs(filled[:, panel:] - truth[:, panel:]).mean() > 5


def test_only_the_filled_target_changes_from_step_to_step(run: Path) -> None:
    first, last = (pixels(run / f"pictures/step-000000{step}.png") for step in (0, 2))
    height, width = 64, 128
    changed = np.abs(first - last).max(axis=-1) > 0
    assert changed[:height, width // 2 : width].any()
    assert not changed[:, : width // 2].any()
    assert not changed[:, width:].any()


def test_the_newest_picture_is_in_the_model_card(run: Path) -> None:
    assert "![held-out samples](pictures/step-0000002.png)" in (run / "README.md").read_text()


def test_drawing_does_not_change_what_is_trained(
    run: Path, compiled_colours: Path, settings: Settings, tmp_path: Path
) -> None:
    train([compiled_colours], tmp_path / "run", settings)
    name = "pytorch_lora_weights.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (run / name).read_bytes()


def test_a_dataset_too_small_to_hold_out_is_not_drawn(
    finished_project, settings: Settings, tmp_path: Path
) -> None:
    train([finished_project.output], tmp_path / "run", settings, pictures=HeldOutPictures(2))
    assert not (tmp_path / "run/pictures").exists()
