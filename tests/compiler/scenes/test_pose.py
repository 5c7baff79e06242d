"""Where the joints of a person are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onepic.compiler.scenes.figure import HAIR, SKIN
from onepic.compiler.scenes.pose import LIMBS, draw_pose, joints
from onepic.compiler.scenes.render import project


def places(row):
    """The joints of a row's person, in px by name."""
    found = joints(row.figure)
    points = project(np.asarray(list(found.values()), np.float32), row.size)
    return dict(zip(found, points, strict=True))


def test_joints_lie_on_the_person(rows):
    for row in rows:
        for name, (x, y) in places(row).items():
            near = row.figure_frame.owners[
                max(0, int(y) - 1) : int(y) + 2, max(0, int(x) - 1) : int(x) + 2
            ]
            assert (near > 0).any(), name


def test_the_head_and_the_hands_are_where_they_are_drawn(rows):
    for row in rows:
        owners, found = row.figure_frame.owners, places(row)
        x, y = found["nose"]
        assert owners[int(y), int(x)] in (SKIN, HAIR)
        assert found["left wrist"][0] < found["left shoulder"][0] < found["neck"][0]
        assert found["neck"][0] < found["right shoulder"][0] < found["right wrist"][0]
        assert found["nose"][1] < found["neck"][1] < found["left hip"][1] < found["left ankle"][1]


def test_a_pose_says_nothing_of_clothes_or_light(rows):
    first, second = rows[0].figure, rows[1].figure
    dressed = replace(first, garment=second.garment, hair=second.hair, light=second.light)
    assert np.array_equal(draw_pose(dressed, (64, 64)), draw_pose(first, (64, 64)))
    assert not np.array_equal(draw_pose(second, (64, 64)), draw_pose(first, (64, 64)))


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (64, 48), (32, 32)])
def test_a_pose_is_drawn_on_black_in_a_colour_for_each_limb(rows, size):
    pose = draw_pose(rows[0].figure, size)
    assert pose.shape == (size[1], size[0], 3)
    assert pose.dtype == np.uint8
    drawn = pose.any(-1)
    assert 0.01 < drawn.mean() < 0.3
    large = draw_pose(rows[0].figure, (512, 512)).reshape(-1, 3)
    assert len({tuple(pixel) for pixel in large[large.max(1) == 255].tolist()}) >= len(LIMBS)


def test_every_limb_joins_joints_that_a_person_has(rows):
    assert {name for limb in LIMBS for name in limb} == set(joints(rows[0].figure))
