"""Rays meet bodies where geometry says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onepic.compiler.scenes.solids import Shape, Solid, blocks, meet

UNIT = Solid("sphere", (0, 0, 0), (1, 1, 1), 1, (0.5, 0.5, 0.5))
SHAPES: tuple[Shape, ...] = ("sphere", "frustum", "box", "pyramid", "prism")


@st.composite
def bodies(draw: st.DrawFn) -> Solid:
    """A body of any shape about the origin, scaled, leant and turned."""
    return Solid(
        shape=draw(st.sampled_from(SHAPES)),
        centre=tuple(draw(st.floats(-1, 1)) for _ in range(3)),
        scale=tuple(draw(st.floats(0.3, 1.5)) for _ in range(3)),
        owner=1,
        paint=(0.5, 0.5, 0.5),
        turn=draw(st.floats(-3, 3)),
        lean=draw(st.floats(-1.5, 1.5)),
        taper=draw(st.sampled_from([0.0, 0.5, 1.0, 1.3])),
    )


#: points that rays go through, a little off the axes: no ray is parallel to a side
AIMS = st.tuples(*[st.floats(-1.5, 1.5).map(lambda value: value + 0.0137)] * 3)


def excess(solid: Solid, points: np.ndarray) -> np.ndarray:
    """How far points [N, 3] of the world lie outside a body, in its unit shape; negative inside."""
    moved = points - np.array(solid.centre)
    x, y, z = np.linalg.inv(solid.matrix.astype(float)) @ moved.T
    ends = np.abs(y) - 1
    match solid.shape:
        case "sphere":
            return np.sqrt(x**2 + y**2 + z**2) - 1
        case "frustum":
            radius = 1 + (solid.taper - 1) * (y + 1) / 2
            return np.maximum(np.hypot(x, z) - radius, ends)
        case "box":
            return np.max([np.abs(x) - 1, ends, np.abs(z) - 1], axis=0)
        case "pyramid":
            return np.maximum(np.maximum(np.abs(x), np.abs(z)) - (1 - y) / 2, ends)
    return np.max([np.abs(x) - (1 - y) / 2, ends, np.abs(z) - 1], axis=0)


def first_meeting(solid: Solid, origin: tuple[float, ...], ray: tuple[float, ...]) -> float:
    hits = meet(solid, np.array(origin, np.float32), np.array([ray], np.float32))
    return float(hits.distance[0])


@settings(max_examples=250)
@given(solid=bodies(), aim=AIMS)
def test_a_ray_meets_a_body_where_it_first_enters_it(solid, aim):
    origin = np.array([0.31, 1.9, -6.2], np.float32)
    ray = (np.array(aim) - origin).astype(np.float32)
    hits = meet(solid, origin, ray[None])
    distance = float(hits.distance[0])
    steps = np.linspace(0, 2, 400)
    before = steps[steps < distance]
    assert excess(solid, origin + before[:, None] * ray.astype(float)).min() > -2e-3
    if np.isfinite(distance):
        assert abs(excess(solid, (origin + distance * ray.astype(float))[None])[0]) < 2e-3


@settings(max_examples=250)
@given(solid=bodies(), aim=AIMS)
def test_normals_point_out_of_a_body_and_towards_the_camera(solid, aim):
    origin = np.array([0.31, 1.9, -6.2], np.float32)
    ray = (np.array(aim) - origin).astype(np.float32)
    hits = meet(solid, origin, ray[None])
    if not np.isfinite(hits.distance[0]):
        return
    normal = hits.normal[0] / max(np.linalg.norm(hits.normal[0]), 1e-6)
    point = origin + hits.distance[0].astype(float) * ray
    assert normal @ ray < 1e-3
    if np.linalg.norm(hits.normal[0]) > 1e-3:  # the tip of a cone has none
        assert excess(solid, (point + 0.03 * normal)[None])[0] > 0


@given(solid=bodies(), aim=AIMS)
def test_the_point_of_a_meeting_is_that_of_the_world_in_the_unit_shape(solid, aim):
    origin = np.array([0.31, 1.9, -6.2], np.float32)
    ray = (np.array(aim) - origin).astype(np.float32)
    hits = meet(solid, origin, ray[None])
    if np.isfinite(hits.distance[0]):
        world = solid.matrix @ hits.point[0] + np.array(solid.centre, np.float32)
        assert world == pytest.approx(origin + hits.distance[0] * ray, abs=2e-3)


@given(solid=bodies())
def test_the_reach_of_a_body_holds_all_of_it(solid):
    points = np.random.default_rng(0).uniform(-3, 3, (4000, 3))
    inside = excess(solid, points) <= 0
    away = np.linalg.norm(points - np.array(solid.centre), axis=1)
    assert (away[inside] <= solid.reach + 1e-4).all()


@settings(max_examples=60)
@given(solid=bodies(), seed=st.integers(0, 1000))
def test_a_body_blocks_the_light_of_points_from_which_it_is_met(solid, seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 4, (300, 3)).astype(np.float32)
    towards = np.array([0.48, 0.64, -0.6], np.float32)
    met = np.isfinite(meet(solid, points, np.broadcast_to(towards, points.shape)).distance)
    assert np.array_equal(blocks(solid, points, towards), met)


def test_the_unit_sphere_is_met_at_a_radius_from_its_centre():
    assert first_meeting(UNIT, (0, 0, -5), (0, 0, 1)) == pytest.approx(4)
    assert first_meeting(UNIT, (0, 0.6, -5), (0, 0, 1)) == pytest.approx(4.2)


def test_a_scaled_sphere_is_met_where_its_scale_says():
    egg = replace(UNIT, scale=(0.5, 2, 3), centre=(0, 1, 0))
    assert first_meeting(egg, (0, 1, -5), (0, 0, 1)) == pytest.approx(2)
    assert first_meeting(egg, (0, 9, 0), (0, -1, 0)) == pytest.approx(6)


def test_a_cylinder_is_met_at_its_side_and_its_top():
    cylinder = replace(UNIT, shape="frustum")
    assert first_meeting(cylinder, (0, 0.9, -5), (0, 0, 1)) == pytest.approx(4)
    assert first_meeting(cylinder, (0.9, 5, 0.1), (0, -1, 0)) == pytest.approx(4)
    assert first_meeting(cylinder, (0.9, 5, 0.9), (0, -1, 0)) == np.inf


def test_a_cone_narrows_to_its_tip():
    cone = replace(UNIT, shape="frustum", taper=0.0)
    assert first_meeting(cone, (0, -0.5, -5), (0, 0, 1)) == pytest.approx(4.25)
    assert first_meeting(cone, (0, 0.8, -5), (0, 0, 1)) == pytest.approx(4.9)
    assert first_meeting(cone, (0.5, 0.2, -5), (0, 0, 1)) == np.inf


def test_a_turned_box_shows_its_edge():
    box = replace(UNIT, shape="box", turn=np.pi / 4)
    assert first_meeting(box, (0.001, 0.001, -5), (0, 1e-4, 1)) == pytest.approx(
        5 - np.sqrt(2), abs=2e-3
    )


def test_a_turn_goes_about_the_height_and_a_lean_in_the_picture():
    turned = replace(UNIT, scale=(2, 0.5, 0.5), turn=np.pi / 2)
    assert first_meeting(turned, (0, 0, -5), (0, 0, 1)) == pytest.approx(3)
    leant = replace(UNIT, scale=(2, 0.5, 0.5), lean=np.pi / 2)
    assert first_meeting(leant, (0, 5, 0), (0, -1, 0)) == pytest.approx(3)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_behind_the_ray_is_not_met(shape):
    assert first_meeting(replace(UNIT, shape=shape), (0.01, 0.02, 5), (0.01, 0.02, 1)) == np.inf


def test_a_ray_from_inside_a_round_body_meets_it_where_it_leaves_it():
    assert first_meeting(UNIT, (0, 0, 0), (0, 0, 1)) == pytest.approx(1)
    cylinder = replace(UNIT, shape="frustum", scale=(1, 2, 1))
    assert first_meeting(cylinder, (0, 0, 0), (0, 1, 0)) == pytest.approx(2)
    assert first_meeting(cylinder, (0.2, 0, 0), (1, 0, 0)) == pytest.approx(0.8)


@pytest.mark.parametrize("shape", ["box", "pyramid", "prism"])
def test_a_ray_from_inside_a_body_with_flat_sides_does_not_meet_it(shape):
    inside = (0.01, -0.5, 0.02)
    assert first_meeting(replace(UNIT, shape=shape), inside, (0.3, 0.2, 1)) == np.inf


def test_a_body_blocks_the_light_only_where_it_is_between():
    points = np.array([[-3, 0, 0], [3, 0, 0], [-3, 2, 0]], np.float32)
    towards = np.array([1, 0, 0], np.float32)
    assert blocks(UNIT, points, towards).tolist() == [True, False, False]


@pytest.mark.parametrize("shape", ["box", "pyramid", "prism"])
@pytest.mark.parametrize(("x", "is_met"), [(0.2, True), (1.5, False)])
def test_a_ray_along_a_side_meets_what_is_before_it(shape, x, is_met):
    solid = Solid(shape, (0, 0, 0), (1, 1, 1), owner=1, paint=(0.5, 0.5, 0.5))
    assert np.isfinite(first_meeting(solid, (x, -0.5, -5), (0, 0, 1))) == is_met
