"""Operations at the panel's resolution keep its size and do what their names say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from onepic.canvas.operations import OPERATIONS, Picture, parse_operation
from onepic.common.errors import RowError

WITHOUT_MODEL = ["blur", "downsample", "grayscale", "invert", "jpeg", "noise"]


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(picture.image).astype(int)


def run(operation: Any, image: Image.Image, seed: int = 0, **masks: Image.Image) -> np.ndarray:
    return pixels(parse_operation(operation).apply(Picture(image, masks, seed)))


@pytest.mark.parametrize("name", WITHOUT_MODEL)
def test_size_stays_result_repeats_and_input_is_untouched(picture: Any, name: str) -> None:
    image = picture(37, 51)
    before = np.asarray(image).copy()
    result = run(name, image)
    assert result.shape == (51, 37, 3)
    assert (result == run(name, picture(37, 51))).all()
    assert (result != before).any()
    assert (np.asarray(image) == before).all()
    assert OPERATIONS[name].stage == "pixels"


def test_grayscale_makes_the_channels_equal(picture: Any) -> None:
    red, green, blue = np.moveaxis(run("grayscale", picture()), 2, 0)
    assert (red == green).all()
    assert (green == blue).all()


def test_invert_is_its_own_inverse(picture: Any) -> None:
    image = picture()
    inverted = run("invert", image)
    assert (inverted == 255 - np.asarray(image)).all()


def test_noise_follows_the_seed_and_has_the_asked_strength() -> None:
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    first, again, other = (run({"noise": {"sigma": 10}}, grey, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert np.std(first - 128) == pytest.approx(10, rel=0.05)


def test_blur_spreads_a_point_by_its_radius() -> None:
    point = Image.new("RGB", (65, 65))
    point.paste((255, 255, 255), (24, 24, 41, 41))
    profile = run({"blur": {"radius": 3}}, point)[32, :, 0]
    edge = np.abs(np.diff(profile))[:32]
    spread = np.sqrt(
        (edge * (np.arange(32) - (edge * np.arange(32)).sum() / edge.sum()) ** 2).sum() / edge.sum()
    )
    assert spread == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("resample", ["area", "bicubic"])
def test_downsample_removes_detail_and_keeps_brightness(resample: str) -> None:
    checks = np.indices((32, 32)).sum(axis=0) % 2 * 255
    image = Image.fromarray(np.repeat(checks[..., None], 3, axis=2).astype(np.uint8))
    result = run({"downsample": {"factor": 4, "resample": resample}}, image)
    assert result.std() < 5
    assert result.mean() == pytest.approx(127.5, abs=2)


def test_jpeg_of_lower_quality_is_further_from_the_image(picture: Any) -> None:
    image = picture()
    low, high = (
        np.abs(run({"jpeg": {"quality": quality}}, image) - np.asarray(image)).mean()
        for quality in (5, 95)
    )
    assert low > 2 * high


@pytest.mark.parametrize(
    ("colour", "painted"),
    [([1, 2, 3], (1, 2, 3)), ("white", (255, 255, 255)), ("#102030", (16, 32, 48))],
)
def test_erase_changes_only_what_the_mask_marks(picture: Any, colour: Any, painted: Any) -> None:
    image, mask = picture(), Image.new("L", (64, 48))
    mask.paste(255, (10, 10, 20, 30))
    erase = {"erase": {"mask": "hole", "colour": colour}}
    result, inside = run(erase, image, hole=mask), np.asarray(mask) == 255
    assert (result[inside] == painted).all()
    assert (result[~inside] == np.asarray(image)[~inside]).all()
    assert parse_operation(erase).mask_columns() == ("hole",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"erase": {}},
        {"erase": {"mask": "m", "colour": "no such colour"}},
        {"erase": {"mask": "m", "colour": [0, 0, 256]}},
        {"blur": {"radius": 0}},
        {"jpeg": {"quality": 96}},
        {"downsample": {"factor": 1}},
        {"noise": {"sigma": -1}},
        {"canny": {"low": 3, "high": 2}},
        {"resize": {}},
    ],
)
def test_options_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        parse_operation(wrong)


@pytest.mark.parametrize("size", [(72, 136), (128, 64), (40, 9)])
def test_canny_works_on_the_picture_itself(picture: Any, size: tuple[int, int]) -> None:
    import cv2

    image = picture(*size, seed=3)
    result = run({"canny": {"low": 50, "high": 100}}, image)
    expected = cv2.Canny(np.asarray(image), 50, 100)
    assert result.shape == (size[1], size[0], 3)
    assert (result[2:-2, 2:-2] == expected[2:-2, 2:-2, None]).all()
    assert set(np.unique(result)) <= {0, 255}


def test_canny_finds_an_edge_and_draws_none_at_the_border() -> None:
    image = Image.new("RGB", (72, 72), (255, 255, 255))
    assert not run("canny", image).any()
    image.paste((0, 0, 0), (30, 0, 72, 72))
    assert set(np.flatnonzero(run("canny", image)[36, :, 0])) <= {29, 30}


def test_a_failing_detector_is_an_error_of_its_row(picture: Any) -> None:
    broken = Picture(picture().convert("RGBA"))
    with pytest.raises(RowError, match="canny failed: ValueError") as caught:
        parse_operation("canny").apply(broken)
    assert caught.value.stage == "operation"
