"""What is drawn agrees with what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onepic.compiler.scenes.bodies import build_thing
from onepic.compiler.scenes.palette import COLOURS, Paint, Place
from onepic.compiler.scenes.render import CAMERA
from onepic.compiler.scenes.solids import Solid, meet
from onepic.compiler.scenes.world import KINDS, Thing

BALL = Solid("sphere", (0.0, 0.8, 0.0), (0.8, 0.8, 0.8), 1, Paint("red"))
SIZE = (64, 64)


def points_of(frame, rays):
    """Where the pixels of a frame lie in the world: [h, w, 3]; the sky at the camera."""
    depth = np.where(np.isfinite(frame.depth), frame.depth, 0)
    return CAMERA + depth[..., None] * rays


def test_depth_leads_to_the_surfaces_that_are_seen(draw, rays_of):
    frame = draw([BALL], Place("tiles", "a white wall"))
    points = points_of(frame, rays_of(SIZE))
    ball, ground, wall = (frame.owners == owner for owner in (1, 0, -1))
    assert ball.any()
    assert np.linalg.norm(points[ball] - BALL.centre, axis=-1) == pytest.approx(0.8, abs=1e-3)
    assert points[ground][:, 1] == pytest.approx(0, abs=1e-3)
    assert points[wall][:, 2] == pytest.approx(2.6, abs=1e-3)


def test_the_sky_has_no_end_and_no_normals(draw):
    frame = draw([BALL])
    sky = frame.owners == -1
    assert sky.any()
    assert np.isinf(frame.depth[sky]).all()
    assert np.isfinite(frame.depth[~sky]).all()
    assert not frame.normals[sky].any()


def test_normals_are_unit_vectors_and_those_of_the_surfaces(draw, rays_of):
    frame = draw([BALL])
    points = points_of(frame, rays_of(SIZE))
    ball, ground = frame.owners == 1, frame.owners == 0
    assert frame.normals[ball] == pytest.approx((points[ball] - BALL.centre) / 0.8, abs=2e-3)
    assert np.linalg.norm(frame.normals[ball], axis=-1) == pytest.approx(1, abs=1e-5)
    assert (frame.normals[ground] == (0, 1, 0)).all()


def test_the_nearer_of_two_bodies_hides_the_other(draw):
    behind = Solid("sphere", (0.0, 0.8, 1.5), (0.8, 0.8, 0.8), 2, Paint("blue"))
    for bodies in ([BALL, behind], [behind, BALL]):
        owners = draw(bodies).owners
        assert np.array_equal(owners == 1, draw([BALL]).owners == 1)
    assert np.array_equal(draw([BALL, behind]).colours, draw([behind, BALL]).colours)


def test_right_is_right_and_up_is_up(draw):
    right = Solid("sphere", (1.2, 0.5, 0.0), (0.4, 0.4, 0.4), 1, Paint("red"))
    above = Solid("sphere", (0.0, 2.4, 0.0), (0.4, 0.4, 0.4), 2, Paint("red"))
    owners = draw([right, above]).owners
    assert np.nonzero(owners == 1)[1].min() > 32
    assert np.nonzero(owners == 2)[0].max() < np.nonzero(owners == 1)[0].min()


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    kind=st.sampled_from(KINDS),
    x=st.floats(-2.5, 2.5),
    z=st.floats(-1.5, 1.5),
    turn=st.floats(-3, 3),
)
def test_a_thing_is_drawn_wherever_rays_meet_it(draw, rays_of, kind, x, z, turn):
    size = (48, 32)
    bodies = build_thing(Thing(kind, Paint("red"), "large", x, z, turn + 0.0137), 1)
    rays = rays_of(size)
    nearest = np.min([meet(body, CAMERA, rays).distance for body in bodies], axis=0)
    met = nearest < np.where(rays[..., 1] < 0, -CAMERA[1] / rays[..., 1], np.inf)
    drawn = draw(bodies, size=size).owners == 1
    assert (drawn != met).sum() <= 2  # a ray at a rim may go either way


def test_a_picture_has_the_width_and_height_that_are_asked_for(draw):
    frame = draw([BALL], size=(48, 32))
    assert frame.colours.shape == (32, 48, 3)
    assert frame.colours.dtype == np.uint8
    assert frame.depth.shape == frame.owners.shape == (32, 48)
    assert frame.normals.shape == (32, 48, 3)


@pytest.mark.parametrize("azimuth", [-1.2, -0.6, 0.6, 1.2])
@pytest.mark.parametrize("weather", ["fair", "dusk"])
def test_a_shadow_falls_on_the_side_away_from_the_light(draw, azimuth, weather):
    empty = draw([], azimuth=azimuth, weather=weather)
    frame = draw([BALL], azimuth=azimuth, weather=weather)
    darker = empty.colours.sum(-1, dtype=int) - frame.colours.sum(-1, dtype=int) > 60
    shadow = darker & (frame.owners == 0)
    ball = np.nonzero(frame.owners == 1)[1].mean()
    assert shadow.sum() > 10
    assert np.sign(np.nonzero(shadow)[1].mean() - ball) == -np.sign(azimuth)


def test_the_side_of_a_body_towards_the_light_is_brighter(draw):
    frame = draw([BALL], azimuth=1.1)
    brightness = np.where(frame.owners == 1, frame.colours.sum(-1, dtype=int), 0)
    assert brightness[:, 33:].sum() > 1.2 * brightness[:, :31].sum()


def test_a_shadow_is_longer_at_dusk(draw):
    def length(weather):
        darker = draw([], weather=weather).colours[..., 1].astype(int)
        darker = darker - draw([BALL], weather=weather).colours[..., 1]
        return np.ptp(np.nonzero((darker > 15) & (draw([BALL]).owners == 0))[1])

    assert length("dusk") > length("fair")


@pytest.mark.parametrize("weather", ["dusk", "rain"])
def test_the_weather_changes_colours_and_nothing_else(draw, weather):
    fair, other = draw([BALL]), draw([BALL], weather=weather)
    assert np.array_equal(fair.owners, other.owners)
    assert np.array_equal(fair.depth, other.depth)
    assert np.array_equal(fair.normals, other.normals)
    assert (fair.colours != other.colours).any(-1).mean() > 0.9


def test_dusk_is_redder_and_rain_greyer_than_fair_weather(draw):
    fair, dusk, rain = (
        draw([BALL], weather=weather).colours.reshape(-1, 3).astype(float)
        for weather in ("fair", "dusk", "rain")
    )
    assert dusk.mean(0)[0] / dusk.mean(0)[2] > 1.3 * fair.mean(0)[0] / fair.mean(0)[2]
    assert np.ptp(rain, axis=1).mean() < 0.6 * np.ptp(fair, axis=1).mean()


def test_the_seed_moves_the_rain_and_nothing_else(draw):
    first, again, other = (draw([BALL], weather="rain", seed=seed).colours for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(draw([BALL], seed=1).colours, draw([BALL], seed=2).colours)


def test_an_emblem_is_on_the_front_in_the_second_colour(draw):
    chest = Solid("frustum", (0, 1.2, 0), (0.6, 0.8, 0.4), 1, Paint("blue"), emblem="disc")
    plain = Solid("frustum", (0, 1.2, 0), (0.6, 0.8, 0.4), 1, Paint("blue"))
    changed = (draw([chest]).colours != draw([plain]).colours).any(-1)
    assert 10 < changed.sum() < (draw([plain]).owners == 1).sum() / 2
    pixels = draw([chest]).colours[changed].astype(int)
    assert np.median(np.ptp(pixels, axis=1)) < 40  # white, or nearly
    behind = Solid("frustum", (0, 1.2, 0), (0.6, 0.8, 0.4), 1, Paint("blue"), np.pi, emblem="disc")
    assert np.array_equal(draw([behind]).owners, draw([plain]).owners)
    assert (draw([behind]).colours != draw([plain]).colours).any(-1).sum() < 20


@pytest.mark.parametrize("name", COLOURS)
def test_a_lit_body_looks_most_like_the_colour_that_it_is_named_for(draw, name):
    frame = draw([replace(BALL, paint=Paint(name))])
    pixels = frame.colours[frame.owners == 1] / 255
    lit = np.median(pixels[pixels.sum(1) >= np.median(pixels.sum(1))], axis=0)
    away = {other: np.abs(lit - colour).sum() for other, colour in COLOURS.items()}
    assert min(away, key=away.__getitem__) == name
