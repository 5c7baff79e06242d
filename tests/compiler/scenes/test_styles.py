"""Pictures in a style."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onepic.compiler.scenes.palette import COLOURS
from onepic.compiler.scenes.styles import TECHNIQUES, Style, make_style, stylised

STYLE = Style("ink", COLOURS["blue"], (0.98, 0.95, 0.86), 0.03)


@pytest.fixture
def pixels(rows):
    return rows[0].frame.colours


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("size", [(64, 64), (32, 48), (48, 32)])
def test_a_stylised_picture_has_the_size_of_the_picture(technique, size, picture):
    pixels = np.asarray(picture(*size))
    drawn = stylised(pixels, replace(STYLE, technique=technique))
    assert drawn.shape == pixels.shape
    assert drawn.dtype == np.uint8


def test_every_technique_draws_another_picture(pixels):
    drawn = [stylised(pixels, replace(STYLE, technique=technique)) for technique in TECHNIQUES]
    assert len({each.tobytes() for each in drawn}) == len(TECHNIQUES)


@pytest.mark.parametrize("technique", ["ink", "dots", "poster"])
def test_prints_are_of_ink_and_paper(technique, pixels):
    drawn = stylised(pixels, replace(STYLE, technique=technique))
    ink, paper = (np.round(np.float32(c) * 255) for c in (STYLE.ink, STYLE.paper))
    for value in drawn.reshape(-1, 3):
        assert (value >= np.minimum(ink, paper) - 1).all()
        assert (value <= np.maximum(ink, paper) + 1).all()


@pytest.mark.parametrize("technique", ["ink", "dots", "poster"])
def test_what_is_dark_gets_more_ink(technique):
    style = replace(STYLE, technique=technique)
    dark, light = (stylised(np.full((64, 64, 3), v, np.uint8), style) for v in (40, 220))
    assert dark.mean() < light.mean()


def test_tiles_have_the_colours_of_the_picture(picture):
    pixels = np.asarray(picture(64, 64))
    drawn = stylised(pixels, replace(STYLE, technique="tiles", cell=0.1))
    mortar = (drawn == np.round(np.float32(STYLE.ink) * 255).astype(np.uint8)).all(-1)
    assert 0.2 < mortar.mean() < 0.7
    assert drawn[~mortar].mean(0) == pytest.approx(pixels.reshape(-1, 3).mean(0), abs=12)


def test_styles_are_of_all_techniques():
    found = {make_style(np.random.default_rng(seed)).technique for seed in range(40)}
    assert found == set(TECHNIQUES)
