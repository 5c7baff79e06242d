"""Scenes are such that their captions and instructions can be clear."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from onepic.compiler.scenes.bodies import build_thing
from onepic.compiler.scenes.palette import INDOORS, OUTDOORS, Paint
from onepic.compiler.scenes.world import KINDS, Thing, make_scene

SEEDS = st.integers(0, 2**63 - 1)


def scene_of(seed):
    return make_scene(np.random.default_rng(seed))


@given(seed=SEEDS)
def test_each_kind_is_in_a_scene_only_once(seed):
    kinds = [thing.kind for thing in scene_of(seed).things]
    assert 1 <= len(kinds) <= 3
    assert len(set(kinds)) == len(kinds)


@given(seed=SEEDS)
def test_things_are_listed_from_left_to_right_with_room_between_them(seed):
    places = [thing.x for thing in scene_of(seed).things]
    assert (np.diff(places) >= 0.99).all()


@given(seed=SEEDS)
def test_there_is_a_sky_outdoors_and_a_wall_indoors(seed):
    place = scene_of(seed).place
    grounds, backdrops = OUTDOORS if place.is_outdoors else INDOORS
    assert place.ground in grounds
    assert place.backdrop in backdrops


@given(seed=SEEDS)
def test_the_same_numbers_make_the_same_scene(seed):
    assert scene_of(seed) == scene_of(seed)


@settings(max_examples=60)
@given(kind=st.sampled_from(KINDS), x=st.floats(-2, 2), z=st.floats(-1, 1), turn=st.floats(-3, 3))
def test_a_thing_stands_at_its_place_on_the_ground_and_large_ones_are_larger(kind, x, z, turn):
    tops = {}
    for size in ("small", "large"):
        bodies = build_thing(Thing(kind, Paint("red"), size, x, z, turn), 3)
        assert {body.owner for body in bodies} == {3}
        assert min(body.centre[1] - body.scale[1] for body in bodies) < 0.01
        assert np.hypot(bodies[0].centre[0] - x, bodies[0].centre[2] - z) < 1e-6
        tops[size] = max(body.centre[1] + body.scale[1] for body in bodies)
    assert tops["large"] > 1.5 * tops["small"]


def test_every_thing_shows_its_paint():
    for kind in KINDS:
        bodies = build_thing(Thing(kind, Paint("pink", "spotted"), "large", 0, 0, 0), 1)
        assert Paint("pink", "spotted") in [body.paint for body in bodies]
