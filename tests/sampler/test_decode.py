"""Only targets are decoded, and what a mask keeps of a picture is kept to the pixel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from onepic.compiler.layout import Box, Layout
from onepic.sampler.canvas import Canvas
from onepic.sampler.decode import FEATHER, decode_box, feathered, paste, upcast, whole_canvas

UNIT = SimpleNamespace(scaling_factor=0.5, shift_factor=0.25)


def disc(size: int = 64, radius: int = 20) -> Any:
    """A mask that is true inside a circle."""
    rows, columns = np.mgrid[:size, :size] - size // 2
    return rows**2 + columns**2 < radius**2


def canvas(narrowed: Any = None, size: int = 64) -> Canvas:
    random = np.random.default_rng(0)
    panels = {
        name: random.integers(0, 256, (size, size, 3), dtype=np.uint8) for name in ("shown", "made")
    }
    if narrowed is None:
        del panels["made"]
    layout = Layout((("shown", "made"),), size, size, 8)
    return Canvas(layout, ("made",), panels, narrowed, "")


class FlatVae:
    """Decodes to the mean of the latents' channels, magnified 8 times, in its own dtype."""

    def __init__(self, dtype: torch.dtype = torch.float32, force_upcast: bool = True) -> None:
        self.dtype, self.config = dtype, SimpleNamespace(force_upcast=force_upcast)
        self.seen: list[torch.Tensor] = []

    def to(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def decode(self, latents: torch.Tensor, return_dict: bool) -> tuple[torch.Tensor]:
        self.seen.append(latents)
        assert latents.dtype == self.dtype
        pixels = latents.mean(1, keepdim=True).repeat(1, 3, 1, 1)
        return (torch.nn.functional.interpolate(pixels, scale_factor=8),)


class TestDecoding:
    def test_a_box_is_cut_out_and_scaled_back(self):
        vae, filled = FlatVae(), torch.zeros(2, 4, 8, 16)
        filled[0, :, :, 8:] = 0.125
        pixels = decode_box(vae, filled, Box(64, 0, 64, 64), 8, UNIT)
        assert vae.seen[0].shape == (2, 4, 8, 8)
        assert pixels.shape == (2, 64, 64, 3)
        assert pixels.dtype == torch.uint8
        # 0.125 / 0.5 + 0.25 is 0.5, and 0.25 where latents are 0.
        assert pixels[0].unique().tolist() == [round(1.5 * 127.5)]
        assert pixels[1].unique().tolist() == [round(1.25 * 127.5)]

    def test_what_is_too_bright_or_too_dark_is_clipped(self):
        filled = torch.stack([torch.full((4, 2, 2), 9.0), torch.full((4, 2, 2), -9.0)])
        pixels = decode_box(FlatVae(), filled, Box(0, 0, 16, 16), 8, UNIT)
        assert [each.unique().tolist() for each in pixels] == [[255], [0]]


class TestUpcast:
    def test_half_precision_is_left_and_taken_up_again(self):
        vae = FlatVae(torch.float16)
        with upcast(vae):
            assert vae.dtype == torch.float32
        assert vae.dtype == torch.float16

    def test_it_is_taken_up_again_after_an_error(self):
        vae = FlatVae(torch.float16)
        with pytest.raises(RuntimeError), upcast(vae):
            raise RuntimeError
        assert vae.dtype == torch.float16

    @pytest.mark.parametrize(
        "vae",
        [FlatVae(torch.float16, force_upcast=False), FlatVae(torch.bfloat16), FlatVae()],
        ids=["safe in half", "bfloat16", "float32"],
    )
    def test_nothing_is_done_where_nothing_overflows(self, vae):
        before = vae.dtype
        with upcast(vae):
            assert vae.dtype == before
        assert vae.dtype == before


class TestFeather:
    def test_it_is_zero_outside_and_rises_to_one_inside(self):
        mask = disc()
        share = feathered(mask)
        assert not share[~mask].any()
        assert (share[mask] > 0).all()
        ray = share[32, 32:]
        assert ray[0] == 1
        assert (np.diff(ray) <= 0).all()
        assert len(np.unique(ray)) == FEATHER + 1

    def test_a_panels_border_is_no_edge(self):
        mask = np.zeros((64, 64), bool)
        mask[:, 32:] = True
        share = feathered(mask)
        assert (share[:, -1] == 1).all()
        assert (share == share[0]).all()

    def test_a_mask_of_everything_has_no_edge(self):
        assert (feathered(np.ones((64, 64), bool)) == 1).all()


class TestPasting:
    def test_a_whole_target_is_what_was_filled(self):
        filled = np.full((64, 64, 3), 9, np.uint8)
        assert paste(canvas(), "made", filled) is filled

    def test_outside_of_the_mask_the_pixels_are_exactly_the_originals(self):
        known, filled = canvas(disc()), np.full((64, 64, 3), 9, np.uint8)
        pasted = paste(known, "made", filled)
        assert pasted.dtype == np.uint8
        np.testing.assert_array_equal(pasted[~disc()], known.panels["made"][~disc()])
        np.testing.assert_array_equal(pasted[32, 32], [9, 9, 9])

    def test_inside_the_filled_fades_into_the_original(self):
        known = canvas(disc())
        known.panels["made"][:] = 200
        pasted = paste(known, "made", np.zeros((64, 64, 3), np.uint8)).astype(int)
        ray = pasted[32, 32:, 0]
        assert (np.diff(ray) >= 0).all()
        assert set(ray.tolist()) == {round(200 * (8 - step) / 8) for step in range(9)}

    def test_filling_with_the_original_changes_nothing(self):
        known = canvas(disc())
        np.testing.assert_array_equal(
            paste(known, "made", known.panels["made"]), known.panels["made"]
        )


def test_the_whole_canvas_has_the_filled_target_in_place_of_the_original():
    known, filled = canvas(disc()), np.full((64, 64, 3), 9, np.uint8)
    whole = whole_canvas(known, {"made": filled})
    np.testing.assert_array_equal(whole[:, :64], known.panels["shown"])
    np.testing.assert_array_equal(whole[:, 64:], filled)
