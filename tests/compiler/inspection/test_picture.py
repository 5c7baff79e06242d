"""Pictures show what the latents and the mask say, in the right place."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onepic.backbones.model import load_vae
from onepic.common.errors import DatasetError
from onepic.compiler.inspection.picture import (
    canvas_beside_mask,
    decode_canvas,
    draw_in_blocks,
    encode_overlay,
)
from onepic.compiler.inspection.single import read_one
from onepic.dataset.catalogue import open_catalogue
from onepic.dataset.dataset import open_dataset
from onepic.dataset.stored import StoredSample
from tests.compiler.inspection.conftest import open_picture, sample
from tests.datasets import make_info


def stored(**changes: Any) -> StoredSample:
    one = sample(0)
    values = {"latents": one.latents, "mask": one.mask, "metadata": dict(one.metadata)} | changes
    return StoredSample(0, one.key, one.source, one.prompt, **values)


def test_a_decoded_canvas_looks_like_its_preview(finished_project):
    catalogue = open_catalogue(finished_project.output)
    vae = load_vae("miniature", None)
    canvas = decode_canvas(vae, read_one(catalogue, 3), catalogue.info.model)
    dataset = open_dataset(finished_project.output)
    previews = [open_picture(dataset[number].preview).astype(int) for number in (3, 1)]
    assert canvas.shape == (64, 128, 3)
    errors = [np.abs(canvas - preview).mean() for preview in previews]
    assert errors[0] < 12 < errors[1]


def test_wide_canvases_are_above_their_mask_with_the_target_framed():
    canvas = np.full((64, 128, 3), 40, np.uint8)
    both = np.asarray(canvas_beside_mask(canvas, stored()))
    assert both.shape == (64 + 8 + 64, 128, 3)
    np.testing.assert_array_equal(both[:64, :64], canvas[:, :64])
    assert (both[0, 64:128] != 40).all()  # the frame
    assert (both[10, 70:120] == 40).all()
    assert (both[72:, :64] == 0).all()
    assert (both[72:, 64:] == 255).all()


def test_square_canvases_are_left_of_their_mask():
    boxes = {"metadata": {"target_boxes": []}, "mask": np.ones((1, 8, 8), np.uint8)}
    both = np.asarray(canvas_beside_mask(np.zeros((64, 64, 3), np.uint8), stored(**boxes)))
    assert both.shape == (64, 64 + 8 + 64, 3)
    assert (both[:, 72:] == 255).all()


def test_an_overlay_colours_the_target_and_nothing_else():
    mask = np.zeros((1, 8, 16), np.uint8)
    mask[0, 2:5, 9] = 1
    overlay = np.asarray(Image.open(io.BytesIO(encode_overlay(mask))).convert("RGBA"))
    assert overlay.shape == (8, 16, 4)
    np.testing.assert_array_equal(overlay[..., 3] > 0, mask[0] == 1)
    assert overlay[3, 9, 3] < 255


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"panels": {"a": {"boxes": [[0, 0, 64]]}}},
        {"panels": {"a": {"boxes": [[64, 0, 128, 64]]}}},
        {"panels": {"a": {"boxes": [[-64, 0, 64, 64]]}}},
        {"panels": {"a": {"boxes": [[0, 0, 65, 64]]}}},
        {"panels": [1]},
        [],
    ],
)
def test_panels_that_lie_nowhere_are_an_error(metadata):
    model = make_info().model
    with pytest.raises(DatasetError, match="sample 000000000: its JSON does not say where"):
        decode_canvas(None, stored(metadata=metadata), model)


@pytest.mark.parametrize(("width", "height", "columns"), [(128, 64, 40), (20, 300, 40), (9, 1, 4)])
def test_blocks_fit_into_the_terminal(width, height, columns):
    lines = list(draw_in_blocks(Image.new("RGB", (width, height), (250, 0, 0)), columns))
    assert {len(line) for line in lines} == {min(width, columns)}
    assert "#fa0000" in str(lines[0].spans[0].style)
