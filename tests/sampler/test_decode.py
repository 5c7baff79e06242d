"""What a mask keeps of a picture is kept to the pixel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from onepic.canvas.layout import Layout
from onepic.sampler.canvas import Canvas
from onepic.sampler.decode import FEATHER, feathered, paste, upcast, whole_canvas


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


class AnyVae:
    """What `upcast` asks of a VAE."""

    def __init__(self, dtype: torch.dtype = torch.float32, force_upcast: bool = True) -> None:
        self.dtype, self.config = dtype, SimpleNamespace(force_upcast=force_upcast)

    def to(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class TestUpcast:
    def test_half_precision_is_left_and_taken_up_again(self):
        vae = AnyVae(torch.float16)
        with upcast(vae):
            assert vae.dtype == torch.float32
        assert vae.dtype == torch.float16

    def test_it_is_taken_up_again_after_an_error(self):
        vae = AnyVae(torch.float16)
        with pytest.raises(RuntimeError), upcast(vae):
            raise RuntimeError
        assert vae.dtype == torch.float16

    @pytest.mark.parametrize(
        "vae",
        [AnyVae(torch.float16, force_upcast=False), AnyVae(torch.bfloat16), AnyVae()],
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
