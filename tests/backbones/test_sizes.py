"""The U-Net is told how sharp a target is, in SDXL's six sizes."""

from __future__ import annotations

from typing import Any

import pytest

from onepic.backbones.sdxl.sizes import time_ids
from onepic.compiler import open_dataset


def sample(
    crop: list[float] | None, panel: tuple[int, int] = (64, 64), **others: Any
) -> dict[str, Any]:
    """The JSON of two panels side by side, of which the right one is the target."""
    width, height = panel
    context, target = [0, 0, width, height], [width, 0, width, height]
    panels = {
        "grey": {"boxes": [context], "original_size": [9, 9], "crop": [0, 0, 9, 9]},
        "colour": {"boxes": [target], "original_size": [99, 99], "crop": crop},
    }
    return {"canvas_size": [2 * width, height], "panels": panels, "target_boxes": [target]} | others


def test_sizes_come_with_height_first():
    assert time_ids(sample([0, 0, 48, 32], (48, 32)), "cover") == (32, 96, 0, 0, 32, 96)


def test_a_small_target_makes_a_small_canvas():
    assert time_ids(sample([8, 8, 24, 24]), "cover") == (16, 32, 0, 0, 64, 128)


def test_a_large_target_makes_a_large_canvas():
    assert time_ids(sample([0, 0, 256, 256]), "cover") == (256, 512, 0, 0, 64, 128)


def test_a_stretched_target_has_two_scales():
    assert time_ids(sample([0, 0, 32, 128]), "stretch") == (128, 64, 0, 0, 64, 128)


@pytest.mark.parametrize("crop", [[0, 0, 32, 16], [0, 0, 16, 32]])
def test_a_contained_target_fills_one_side_alone(crop):
    assert time_ids(sample(crop), "contain") == (32, 64, 0, 0, 64, 128)


def test_the_context_does_not_count():
    assert time_ids(sample([0, 0, 64, 64]), "cover")[:2] == (64, 128)


@pytest.mark.parametrize("crop", [None, [3, 3, 3, 9]])
def test_without_a_crop_the_canvas_is_as_sharp_as_it_is_large(crop):
    assert time_ids(sample(crop), "cover") == (64, 128, 0, 0, 64, 128)


def test_of_several_targets_the_first_with_a_crop_counts():
    both = sample(None, target_boxes=[[0, 0, 64, 64], [64, 0, 64, 64]])
    assert time_ids(both, "cover")[:2] == (9, 18)


def test_a_compiled_picture_is_measured_as_it_was_cut(finished_project):
    """64 x 48 px, cut to 48 x 48 and scaled to a panel of 64 x 64."""
    metadata = open_dataset(finished_project.output)[0].metadata
    assert time_ids(metadata, "cover") == (48, 96, 0, 0, 64, 128)
