"""What is odd about the panels of a row is named, and sound ones are passed in silence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onepic.canvas.findings import Finding
from onepic.canvas.looks import look_at_latents, look_at_pairs, look_at_panels
from tests.canvas.test_alignment import draw_scene


def noise(seed: int, low: int = 0, high: int = 256):
    return np.random.default_rng(seed).integers(low, high, (16, 24, 3), dtype=np.uint8)


def plain(*colour: int):
    return np.full((16, 24, 3), colour, np.uint8)


def abouts(findings) -> list[tuple[str, str]]:
    return [(finding.kind, finding.about) for finding in findings]


def test_sound_panels_are_passed_in_silence():
    half = np.where(np.arange(24)[None, :, None] < 12, plain(0), plain(255))
    panels = {"grey": noise(0), "dark": noise(1, 0, 64), "edges": half, "colour": noise(2)}
    assert list(look_at_panels(panels, ["colour"])) == []


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 10)])
def test_a_panel_of_one_colour_is_named(colour):
    panels = {"grey": plain(*colour), "colour": noise(0)}
    found = list(look_at_panels(panels, ["colour"]))
    assert found == [Finding("flat-panel", "panel 'grey': one colour")]


def test_a_panel_that_uses_few_levels_is_named():
    ids = noise(0, 0, 21)
    found = list(look_at_panels({"labels": ids, "colour": noise(1)}, ["colour"]))
    assert found == [Finding("flat-panel", "panel 'labels': fewer than 32 of 256 levels")]


def test_a_context_that_equals_the_target_is_named():
    panels = {"before": noise(0), "mask": noise(1), "after": noise(0)}
    found = list(look_at_panels(panels, ["after"]))
    assert found == [Finding("copied-target", "panels 'before' and 'after'")]


def test_one_other_pixel_is_no_copy():
    other = noise(0)
    other[3, 4, 1] ^= 1
    swapped = noise(0)[::-1]
    for panel in (other, swapped):
        assert list(look_at_panels({"before": panel, "after": noise(0)}, ["after"])) == []


def test_a_target_that_is_still_to_be_made_is_not_missed():
    assert list(look_at_panels({"before": noise(0)}, ["after"])) == []


def test_two_targets_may_be_equal():
    panels = {"before": noise(0), "one": noise(1), "two": noise(1)}
    assert list(look_at_panels(panels, ["one", "two"])) == []


def test_columns_that_must_align_are_compared_with_their_neighbours():
    image, stranger = (Image.fromarray(draw_scene(seed)) for seed in (1, 2))
    shifted = Image.fromarray(np.roll(draw_scene(1), 8, 1))
    images = {"image": image, "same": image, "shifted": shifted, "other": stranger}
    assert abouts(look_at_pairs(["image", "same", "shifted", "other"], images)) == [
        ("misaligned", "columns 'same' and 'shifted': shifted"),
        ("misaligned", "columns 'shifted' and 'other': nothing in common"),
    ]
    assert list(look_at_pairs(["image", "elsewhere"], images)) == []
    assert list(look_at_pairs([], images)) == []


@pytest.mark.parametrize(("scale", "is_odd"), [(0.3, False), (1, False), (2, False), (7.7, True)])
def test_latents_of_a_size_that_no_picture_has_are_named(scale, is_odd):
    values = np.random.default_rng(0).normal(size=(4, 8, 8)).astype(np.float16)
    found = list(look_at_latents({"grey": values, "colour": values * np.float16(scale)}))
    assert found == ([Finding("odd-latents", "panel 'colour'")] if is_odd else [])


def test_latents_of_nearly_nothing_are_named():
    nothing = np.full((4, 8, 8), 0.01, np.float16)
    assert abouts(look_at_latents({"grey": nothing})) == [("odd-latents", "panel 'grey'")]


def test_huge_latents_do_not_overflow():
    huge = np.full((4, 8, 8), 60_000, np.float16)
    assert abouts(look_at_latents({"grey": huge})) == [("odd-latents", "panel 'grey'")]
