"""Panels have exactly their size, and show the part of the image that they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onepic.canvas.fitting import Fit, crop_box, fit_image, fit_mask, panel_box, resize

SIDE = st.integers(8, 4000)
SIZE = st.tuples(SIDE, SIDE)
SMALL = st.tuples(st.integers(8, 60), st.integers(8, 60))
FIT = st.sampled_from(["cover", "contain", "stretch"])


@given(SIZE, SIZE, FIT)
def test_the_crop_lies_inside_the_image_and_is_centred(image: Any, panel: Any, fit: Fit) -> None:
    left, top, right, bottom = crop_box(image, panel, fit)
    assert 0 <= left < right <= image[0]
    assert 0 <= top < bottom <= image[1]
    assert left + right == pytest.approx(image[0])
    assert top + bottom == pytest.approx(image[1])


@given(SIZE, SIZE)
def test_cover_cuts_the_largest_part_of_the_panels_aspect(image: Any, panel: Any) -> None:
    left, top, right, bottom = crop_box(image, panel, "cover")
    assert (right - left) / (bottom - top) == pytest.approx(panel[0] / panel[1])
    assert left == pytest.approx(0, abs=1e-9) or top == pytest.approx(0, abs=1e-9)


@given(SMALL, SMALL, st.sampled_from([2, 4, 8]))
def test_a_reduced_image_is_cut_at_the_same_place(image: Any, panel: Any, factor: int) -> None:
    full = crop_box((image[0] * factor, image[1] * factor), panel, "cover")
    assert full == pytest.approx([side * factor for side in crop_box(image, panel, "cover")])


@given(SIZE, SIZE)
def test_contain_shows_everything_centred_in_the_panel(image: Any, panel: Any) -> None:
    left, top, right, bottom = panel_box(image, panel, "contain")
    assert 0 <= left < right <= panel[0]
    assert 0 <= top < bottom <= panel[1]
    assert abs(left - (panel[0] - right)) <= 1
    assert abs(top - (panel[1] - bottom)) <= 1
    assert (right - left, bottom - top)[panel[0] * image[1] > panel[1] * image[0]] == (
        panel[panel[0] * image[1] > panel[1] * image[0]]
    )


@settings(max_examples=40, deadline=None)
@given(SMALL, SMALL, FIT)
def test_a_panel_has_exactly_its_size(image: Any, panel: Any, fit: Fit) -> None:
    fitted = fit_image(Image.new("RGB", image), panel, fit=fit, background=(1, 2, 3))
    mask = fit_mask(Image.new("L", image, 255), panel, fit=fit)
    assert (fitted.mode, fitted.size) == ("RGB", panel)
    assert (mask.mode, mask.size) == ("L", panel)
    assert mask.getbbox() == panel_box(image, panel, fit)
    assert set(np.unique(np.asarray(mask))) <= {0, 255}


@pytest.mark.parametrize(("fit", "corner"), [("contain", (1, 2, 3)), ("cover", (9, 9, 9))])
def test_contain_leaves_background(fit: Fit, corner: tuple[int, int, int]) -> None:
    panel = fit_image(
        Image.new("RGB", (40, 20), (9, 9, 9)), (16, 16), fit=fit, background=(1, 2, 3)
    )
    assert panel.getpixel((0, 0)) == corner
    assert panel.getpixel((8, 8)) == (9, 9, 9)


@settings(max_examples=40, deadline=None)
@given(SMALL, SMALL, FIT, st.integers(0, 99))
def test_the_nearest_pixels_bring_no_new_colour(
    image: Any, panel: Any, fit: Fit, seed: int
) -> None:
    colours = np.random.default_rng(seed).choice([0, 100, 255], (*image[::-1], 3)).astype(np.uint8)
    fitted = fit_image(Image.fromarray(colours), panel, fit=fit, background=(0, 0, 0), nearest=True)
    assert fitted.size == panel
    assert set(np.unique(np.asarray(fitted))) <= {0, 100, 255}


@pytest.mark.parametrize("size", [(40, 40), (64, 64), (150, 100), (16, 16)])
def test_the_nearest_pixels_lie_where_smooth_ones_do(size: tuple[int, int]) -> None:
    """A disc keeps its centre, so that a map still belongs to its picture."""
    y, x = np.mgrid[: size[1], : size[0]]
    disc = (x + 0.5 - size[0] * 0.4) ** 2 + (y + 0.5 - size[1] * 0.6) ** 2 < (min(size) / 4) ** 2
    image = Image.fromarray(np.dstack([disc * np.uint8(255)] * 3))
    centres = [
        np.average(
            np.mgrid[:32, :32],
            axis=(1, 2),
            weights=np.asarray(
                fit_image(image, (32, 32), fit="cover", background=(0, 0, 0), nearest=nearest)
            )[..., 0]
            + np.zeros((2, 32, 32)),
        )
        for nearest in (True, False)
    ]
    assert centres[0] == pytest.approx(centres[1], abs=0.4)


def test_an_image_of_the_panels_size_is_not_changed(picture: Any) -> None:
    image = picture(64, 48)
    for fit in ("cover", "contain", "stretch"):
        assert fit_image(image, (64, 48), fit=fit, background=(0, 0, 0)) == image


def test_a_mask_shrinks_by_majority() -> None:
    mask = Image.fromarray(np.array([[255, 255, 255, 0], [255, 0, 0, 0]], np.uint8))
    assert np.asarray(resize(mask, (2, 1))).tolist() == [[255, 0]]
