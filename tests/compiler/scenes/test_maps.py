"""Pictures of what is known of a scene say what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from onepic.compiler.scenes import maps
from onepic.compiler.scenes.palette import Paint
from onepic.compiler.scenes.solids import Solid


@pytest.fixture
def frame(draw):
    near = Solid("sphere", (-0.8, 0.6, -0.8), (0.6, 0.6, 0.6), 1, Paint("red"))
    far = Solid("box", (0.9, 0.5, 1.0), (0.5, 0.5, 0.5), 2, Paint("blue"), turn=0.4)
    return draw([near, far])


def test_what_is_nearer_is_brighter_and_the_sky_is_black(frame):
    grey = maps.depth_map(frame)[..., 0]
    assert (grey[frame.owners == -1] == 0).all()
    order = np.argsort(frame.depth, axis=None)
    assert (np.diff(grey.flatten()[order].astype(int)) <= 0).all()
    assert grey[frame.owners == 1].min() > grey[frame.owners == 2].max() > 0


def test_normals_are_colours_of_unit_vectors(frame):
    seen = frame.owners >= 0
    vectors = maps.normal_map(frame)[seen] / 127.5 - 1
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=0.02)
    assert vectors == pytest.approx(frame.normals[seen] * (1, 1, -1), abs=0.005)
    assert (maps.normal_map(frame)[~seen] == 128).all()


def test_normals_are_red_to_the_right_green_up_and_blue_towards_the_camera(frame):
    ball = np.argwhere(frame.owners == 1)
    middle = ball.mean(0).astype(int)
    colours = maps.normal_map(frame)
    assert colours[tuple(ball[ball[:, 1].argmax()])][0] > 200
    assert colours[tuple(ball[0])][1] > 200
    assert colours[tuple(middle)][2] > 220


def test_segments_have_a_colour_for_each_owner(frame):
    colours = [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)]
    segments = maps.segment_map(frame, colours)
    for owner, colour in zip((-1, 0, 1, 2), colours, strict=True):
        assert (segments[frame.owners == owner] == colour).all()


def test_masks_are_white_where_things_are_and_black_elsewhere(frame):
    mask = maps.mask_of(frame, [1, 2])
    assert (mask[frame.owners >= 1] == 255).all()
    assert not mask[frame.owners < 1].any()


def test_outlines_part_things_from_what_is_behind_them(frame):
    lines = maps.outlines(frame)[..., 0]
    assert set(np.unique(lines)) == {0, 255}
    changes = np.diff(frame.owners, axis=1) != 0
    assert (lines[:, 1:][changes] == 255).all()
    assert (lines > 0).mean() < 0.3


@pytest.mark.parametrize(("share", "reach"), [(0.001, 1), (0.05, 3), (0.1, 6)])
def test_a_mask_grows_by_a_share_of_its_side_and_by_a_pixel_at_least(share, reach):
    mask = np.zeros((64, 80, 3), np.uint8)
    mask[30, 40] = 255
    rows, columns = np.nonzero(maps.widened(mask, share)[..., 0])
    assert (rows.min(), rows.max()) == (30 - reach, 30 + reach)
    assert (columns.min(), columns.max()) == (40 - reach, 40 + reach)


def test_what_is_under_a_mask_is_grey_and_the_rest_is_kept(frame):
    mask = maps.mask_of(frame, [1])
    hidden = maps.greyed(frame.colours, mask)
    assert (hidden[frame.owners == 1] == 128).all()
    assert np.array_equal(hidden[frame.owners != 1], frame.colours[frame.owners != 1])
