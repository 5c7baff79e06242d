"""A person and their garment, worn and laid flat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.compiler.scenes.figure import (
    CUTS,
    EMBLEMS,
    GARMENT,
    HAIR,
    SKIN,
    TROUSERS,
    Garment,
    build_figure,
    garment_bodies,
    make_figure,
    make_garment,
)
from onepic.compiler.scenes.flat import lay_flat
from onepic.compiler.scenes.palette import COLOURS, PATTERNS, Paint, Place
from onepic.compiler.scenes.render import render
from onepic.compiler.scenes.world import Light

SEEDS = st.integers(0, 2**63 - 1)


def worn(garment, size=(64, 64)):
    figure = replace(make_figure(np.random.default_rng(1)), garment=garment)
    place, light = Place("snow", "a cloudy sky"), Light(0.6, 0.8)
    return render(build_figure(figure), place, light, "fair", size)


def lightness_free(colour):
    """A colour less its brightness: shares of red, green and blue."""
    return np.asarray(colour, float) / np.sum(colour)


@given(seed=SEEDS)
def test_only_plain_garments_have_an_emblem(seed):
    garment = make_garment(np.random.default_rng(seed))
    assert garment.cut in CUTS
    assert garment.emblem is None or garment.emblem in EMBLEMS
    assert garment.emblem is None or garment.paint.pattern == "plain"


@given(seed=SEEDS)
def test_what_a_person_wears_is_the_garment(seed):
    figure = make_figure(np.random.default_rng(seed))
    paints = {body.paint for body in build_figure(figure) if body.owner == GARMENT}
    assert paints == {figure.garment.paint}
    assert paints == {body.paint for body in garment_bodies(figure.garment, (0.5, 0.5))}


@pytest.mark.parametrize("cut", CUTS)
def test_all_parts_of_a_person_are_seen(cut):
    owners = worn(Garment(cut, Paint("red"))).owners
    assert {SKIN, GARMENT, HAIR} <= set(np.unique(owners))
    assert (TROUSERS in owners) == (cut != "dress")


def test_a_person_is_whole_in_the_picture(rows):
    for row in rows:
        owners = row.figure_frame.owners
        border = np.concatenate([owners[0], owners[-1], owners[:, 0], owners[:, -1]])
        assert (border <= 0).all()


def test_longer_sleeves_cover_more_of_the_arms():
    skin = {cut: (worn(Garment(cut, Paint("red"))).owners == SKIN).sum() for cut in CUTS}
    assert skin["sweater"] < skin["shirt"] < skin["vest"]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("colour", ["red", "orange", "green", "blue", "purple", "pink", "white"])
def test_a_garment_has_the_same_colour_worn_and_laid_flat(cut, colour):
    garment = Garment(cut, Paint(colour))
    frame = worn(garment)
    flat = lay_flat(garment, (64, 64))
    covered = (lay_flat(Garment(cut, Paint("black")), (64, 64)) < 128).all(-1)
    pixels = np.median(flat[covered], axis=0), np.median(frame.colours[frame.owners == 2], axis=0)
    assert lightness_free(pixels[0]) == pytest.approx(lightness_free(COLOURS[colour]), abs=0.02)
    assert lightness_free(pixels[1]) == pytest.approx(lightness_free(COLOURS[colour]), abs=0.06)


@pytest.mark.parametrize("cut", CUTS)
def test_a_pattern_covers_as_much_of_a_garment_worn_as_laid_flat(cut):
    for pattern in PATTERNS[1:]:
        garment = Garment(cut, Paint("red", pattern))
        frame = worn(garment, (96, 96))
        flat = lay_flat(garment, (96, 96))
        covered = (lay_flat(Garment(cut, Paint("black")), (96, 96)) < 128).all(-1)
        shares = []
        for pixels in (flat[covered], frame.colours[frame.owners == GARMENT]):
            red, green = pixels[:, 0].astype(int), pixels[:, 1].astype(int)
            shares.append((green > 0.6 * red).mean())
        assert shares[0] == pytest.approx(shares[1], abs=0.12)


@pytest.mark.parametrize("emblem", EMBLEMS)
def test_an_emblem_is_seen_on_a_garment_worn_and_laid_flat(emblem):
    plain, marked = Garment("vest", Paint("blue")), Garment("vest", Paint("blue"), emblem)
    for draw in (
        lambda garment: lay_flat(garment, (64, 64)),
        lambda garment: worn(garment).colours,
    ):
        changed = (draw(plain) != draw(marked)).any(-1)
        assert changed.sum() > 8
        assert (draw(marked)[changed].astype(int).sum(-1) > draw(plain)[changed].sum(-1)).all()
