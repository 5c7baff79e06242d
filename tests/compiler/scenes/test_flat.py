"""Clothes laid flat."""

from __future__ import annotations

import numpy as np
import pytest

from onepic.compiler.scenes.figure import CUTS, Garment
from onepic.compiler.scenes.flat import lay_flat, lay_trousers_flat
from onepic.compiler.scenes.palette import COLOURS, Paint

PAPER = 242  # of 255


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (64, 48)])
def test_a_garment_laid_flat_has_the_size_that_is_asked_for_and_lies_on_white(size):
    for cut in CUTS:
        flat = lay_flat(Garment(cut, Paint("red")), size)
        assert flat.shape == (size[1], size[0], 3)
        assert flat.dtype == np.uint8
        assert (flat[0] == PAPER).all()
        assert (flat[-1] == PAPER).all()
        middle = flat[size[1] // 2, size[0] // 2]
        assert middle[0] > 2 * middle[1]


def test_a_garment_laid_flat_lies_in_the_middle():
    for cut in CUTS:
        covered = (lay_flat(Garment(cut, Paint("black")), (64, 64)) < 128).all(-1)
        assert np.nonzero(covered)[1].mean() == pytest.approx(31.5, abs=0.5)


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (64, 48)])
@pytest.mark.parametrize("colour", ["blue", "brown", "green"])
def test_trousers_laid_flat_are_whole_and_have_their_colour(size, colour):
    flat = lay_trousers_flat(colour, size)
    assert flat.shape == (size[1], size[0], 3)
    assert flat.dtype == np.uint8
    border = np.concatenate([flat[0], flat[-1], flat[:, 0], flat[:, -1]])
    assert (border == PAPER).all()
    covered = (flat != PAPER).any(-1)
    assert 0.15 < covered.mean() < 0.8
    shown = np.median(flat[covered], axis=0) / 255
    assert shown == pytest.approx(COLOURS[colour], abs=0.06)


def test_trousers_have_two_legs():
    flat = lay_trousers_flat("black", (64, 64))
    covered = (flat < 128).all(-1)
    low = covered[covered.any(1).nonzero()[0].max() - 2]
    assert np.diff(np.concatenate([[0], low.astype(int)])).clip(min=0).sum() == 2
