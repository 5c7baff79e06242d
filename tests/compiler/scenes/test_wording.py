"""Captions are plain English and say what is in the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.compiler.scenes.figure import Figure, Garment, make_figure
from onepic.compiler.scenes.palette import Paint, Place
from onepic.compiler.scenes.wording import (
    a,
    figure_caption,
    garment_caption,
    scene_caption,
)
from onepic.compiler.scenes.world import Light, Scene, Thing, make_scene

BALL = Thing("ball", Paint("red"), "large", -1, 0, 0)
CUBE = Thing("cube", Paint("blue", "striped"), "small", 0, 0, 0)
CONE = Thing("cone", Paint("orange"), "small", 1, 0, 0)
GRASS = Place("grass", "a blue sky")
LIGHT = Light(0.8, 0.8)


def test_articles_go_by_the_first_sound():
    assert a("orange ball") == "an orange ball"
    assert a("striped orange ball") == "a striped orange ball"
    assert a("ball") == "a ball"


@pytest.mark.parametrize(
    ("things", "caption"),
    [
        ((BALL,), "a large red ball"),
        ((BALL, CUBE), "a large red ball and a small striped blue cube"),
        ((BALL, CUBE, CONE), "a large red ball, a small striped blue cube and a small orange cone"),
    ],
)
def test_a_caption_lists_the_things(things, caption):
    assert scene_caption(Scene(things, GRASS, LIGHT)) == f"{caption} on grass under a blue sky"


def test_a_caption_names_the_weather():
    scene = Scene((BALL,), Place("snow", "a cloudy sky"), LIGHT)
    fair = "a large red ball in snow under a cloudy sky"
    assert scene_caption(scene) == fair
    assert scene_caption(replace(scene, weather="dusk")) == f"{fair} at dusk"
    assert scene_caption(replace(scene, weather="rain")) == f"{fair} in the rain"


@given(seed=st.integers(0, 2**63 - 1))
def test_a_caption_names_all_that_is_in_the_scene_from_left_to_right(seed):
    scene = make_scene(np.random.default_rng(seed))
    caption = scene_caption(scene)
    things = sorted(scene.things, key=lambda thing: thing.x)
    places = [caption.index(f"{thing.size} {thing.paint} {thing.kind}") for thing in things]
    assert places == sorted(places)
    assert caption.endswith(str(scene.place))


def person(garment: Garment) -> Figure:
    figure = make_figure(np.random.default_rng(0))
    return replace(figure, garment=garment, hair="brown", trousers="blue", place=GRASS)


def test_the_caption_of_a_person_names_the_garment_and_the_trousers():
    assert figure_caption(person(Garment("shirt", Paint("orange"), "star"))) == (
        "a person with brown hair in an orange shirt with a white star and blue trousers "
        "on grass under a blue sky"
    )


def test_no_trousers_are_seen_below_a_dress():
    assert figure_caption(person(Garment("dress", Paint("white", "spotted")))) == (
        "a person with brown hair in a spotted white dress on grass under a blue sky"
    )


def test_the_caption_of_a_garment_names_its_emblem():
    assert garment_caption(Garment("vest", Paint("yellow"), "heart")) == (
        "a yellow vest with a black heart laid flat"
    )
    assert garment_caption(Garment("vest", Paint("orange"))) == "an orange vest laid flat"
