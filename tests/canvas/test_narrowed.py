"""A narrowed target's panel is learned inside of the mask and seen around it, each from its own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from onepic.canvas.layout import cells_touched
from onepic.canvas.narrowed import HIDDEN, erase_hidden, join_latents
from onepic.canvas.operations import NOTATION, Picture

masks = arrays(np.bool_, (16, 24), elements=st.booleans())


@given(masks, st.integers(0, 2**32 - 1))
def test_only_hidden_pixels_are_erased_and_nothing_is_left_of_them(narrowed, seed):
    panel = np.random.default_rng(seed).integers(0, 256, (16, 24, 3), np.uint8)
    before = panel.copy()
    erased = erase_hidden(panel, narrowed)
    assert (erased[narrowed] == HIDDEN).all()
    assert np.array_equal(erased[~narrowed], panel[~narrowed])
    assert np.array_equal(panel, before)
    assert erased.dtype == np.uint8


@given(masks)
def test_erase_hides_in_the_same_way_so_that_equal_panels_are_encoded_once(narrowed):
    panel = np.full((16, 24, 3), 200, np.uint8)
    erase = NOTATION.read({"erase": {"mask": "part"}})
    picture = Picture(Image.fromarray(panel), {"part": Image.fromarray(narrowed).convert("L")}, 0)
    shown = np.asarray(erase.apply(picture).image)
    assert np.array_equal(shown, erase_hidden(panel, narrowed))


@given(masks)
def test_the_cells_of_the_mask_are_learned_and_the_others_seen(narrowed):
    whole, erased = np.ones((4, 2, 3), np.float16), np.zeros((4, 2, 3), np.float16)
    joined = join_latents(whole, erased, narrowed, 8)
    assert joined.dtype == np.float16
    assert np.array_equal(joined == 1, np.broadcast_to(cells_touched(narrowed, 8), joined.shape))
