"""Paints and places have the colours that their names say."""

from __future__ import annotations

import numpy as np
import pytest

from onepic.compiler.scenes.figure import EMBLEMS
from onepic.compiler.scenes.palette import COLOURS, INDOORS, OUTDOORS, PATTERNS, Paint
from onepic.compiler.scenes.surfaces import (
    emblem_at,
    ground_colours,
    paint_colours,
    sky_colours,
    wall_colours,
)

POINTS = np.random.default_rng(0).uniform(-1, 1, (4000, 3)).astype(np.float32)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_paint_has_one_colour_and_a_pattern_two(colour):
    plain = paint_colours(Paint(colour), POINTS)
    assert np.allclose(plain, COLOURS[colour])
    for pattern in PATTERNS[1:]:
        paint = Paint(colour, pattern)
        first = (paint_colours(paint, POINTS) == np.asarray(paint.first, np.float32)).all(1)
        second = (paint_colours(paint, POINTS) == np.asarray(paint.second, np.float32)).all(1)
        assert (first ^ second).all()
        assert 0.2 < second.mean() < 0.6


def test_a_pattern_contrasts_with_its_colour():
    for colour in COLOURS:
        paint = Paint(colour, "striped")
        assert np.abs(np.subtract(paint.first, paint.second)).max() > 0.3


def test_patterns_differ_from_each_other():
    drawn = [paint_colours(Paint("red", pattern), POINTS).tobytes() for pattern in PATTERNS]
    assert len(set(drawn)) == len(PATTERNS)


def test_a_surface_without_a_paint_has_its_own_colour():
    assert np.allclose(paint_colours((0.1, 0.2, 0.3), POINTS), (0.1, 0.2, 0.3))


def test_emblems_are_on_the_middle_of_the_chest_and_differ():
    across, up = np.meshgrid(np.linspace(-1, 1, 101), np.linspace(-1, 1, 101))
    marks = [emblem_at(emblem, across, up) for emblem in EMBLEMS]
    assert len({mark.tobytes() for mark in marks}) == len(EMBLEMS)
    for mark in marks:
        assert 0.03 < mark.mean() < 0.2
        assert mark[np.abs(across) > 0.5].sum() == 0
        assert abs(across[mark].mean()) < 0.02


def test_grounds_and_walls_and_skies_differ():
    x, z = POINTS[:, 0] * 4, POINTS[:, 2] * 4
    rays = np.abs(POINTS) + np.array([0, 0, 1], np.float32)
    grounds = [ground_colours(name, x, z) for name in (*OUTDOORS[0], *INDOORS[0])]
    walls = [wall_colours(name, x, z) for name in INDOORS[1]]
    skies = [sky_colours(name, rays) for name in OUTDOORS[1]]
    for same_kind in (grounds, walls, skies):
        assert len({colours.tobytes() for colours in same_kind}) == len(same_kind)
    for colours in (*grounds, *walls, *skies):
        assert colours.shape == POINTS.shape
        assert np.isfinite(colours).all()
        assert colours.min() >= 0


def test_grass_is_green_and_the_sky_is_blue_and_bricks_are_red():
    x, z = POINTS[:, 0] * 4, POINTS[:, 2] * 4
    rays = np.abs(POINTS) + np.array([0, 0, 1], np.float32)
    assert ground_colours("grass", x, z).mean(0).argmax() == 1
    assert sky_colours("a blue sky", rays).mean(0).argmax() == 2
    assert wall_colours("a brick wall", x, z).mean(0).argmax() == 0
