"""Latents become the pixels that they stand for, each part of a canvas alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from onepic.backbones.latents import Latents
from onepic.backbones.model import load_vae, open_model
from onepic.canvas.layout import Box
from onepic.common.errors import ModelError
from onepic.dataset.dataset import open_dataset
from onepic.dataset.decoder import decode_box, decode_boxes
from tests.conftest import draw_picture

UNIT = Latents(factor=8, channels=4, scaling_factor=0.5, shift_factor=0.25)


class FlatVae:
    """Decodes to the mean of the latents' channels, magnified 8 times."""

    dtype = torch.float32

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def decode(self, latents: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
        self.seen.append(latents)
        pixels = latents.mean(1, keepdim=True).repeat(1, 3, 1, 1)
        return (torch.nn.functional.interpolate(pixels, scale_factor=8),)


def test_a_box_is_cut_out_and_scaled_back():
    vae, filled = FlatVae(), torch.zeros(2, 4, 8, 16)
    filled[0, :, :, 8:] = 0.125
    pixels = decode_box(vae, filled, Box(64, 0, 64, 64), UNIT)
    assert vae.seen[0].shape == (2, 4, 8, 8)
    assert pixels.shape == (2, 64, 64, 3)
    assert pixels.dtype == torch.uint8
    # 0.125 / 0.5 + 0.25 is 0.5, and 0.25 where latents are 0.
    assert pixels[0].unique().tolist() == [round(1.5 * 127.5)]
    assert pixels[1].unique().tolist() == [round(1.25 * 127.5)]


def test_what_is_too_bright_or_too_dark_is_clipped():
    filled = torch.stack([torch.full((4, 2, 2), 9.0), torch.full((4, 2, 2), -9.0)])
    pixels = decode_box(FlatVae(), filled, Box(0, 0, 16, 16), UNIT)
    assert [each.unique().tolist() for each in pixels] == [[255], [0]]


def test_no_box_of_a_canvas_sees_another():
    vae, latents = FlatVae(), torch.zeros(1, 4, 2, 4)
    latents[..., 2:] = 0.375
    boxes = [Box(0, 0, 16, 16), Box(16, 0, 16, 16)]
    canvas = decode_boxes(vae, latents, boxes, UNIT)
    assert canvas.shape == (1, 16, 32, 3)
    assert [part.shape for part in vae.seen] == [(1, 4, 2, 2)] * 2
    assert (canvas[:, :, :16] == 159).all()
    assert (canvas[:, :, 16:] == 255).all()


def test_a_compiled_canvas_comes_back_as_it_looked(finished_project: Any):
    sample = open_dataset(finished_project.output)[2]
    (left, top, width, height) = sample.metadata["target_boxes"][0]
    latents = torch.tensor(sample.latents[None], dtype=torch.float32)
    boxes = [Box(0, 0, 64, 64), Box(left, top, width, height)]
    canvas = decode_boxes(
        load_vae("miniature", None), latents, boxes, open_model("miniature").latents
    )
    picture = draw_picture(seed=2).crop((8, 0, 56, 48)).resize((64, 64))
    error = np.abs(canvas[0, :, 64:].astype(int) - np.asarray(picture)).mean()
    other = np.abs(canvas[0, :, 64:].astype(int) - np.asarray(draw_picture(64, 64, 3))).mean()
    assert error < 12
    assert other > 2 * error
    assert np.ptp(canvas[0, :, :64].astype(int), axis=-1).mean() < 12  # the left panel is grey


def test_a_model_that_is_nowhere_is_named():
    with pytest.raises(ModelError, match="model no-such: no such folder"):
        load_vae("no-such", None)
