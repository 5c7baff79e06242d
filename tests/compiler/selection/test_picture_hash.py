"""Perceptual hashes stay when a picture is scaled or saved anew, and tell pictures apart."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image
from skimage import data

from onepic.common.errors import RowError
from onepic.compiler.selection.picture_hash import exact_hash, perceptual_hash

WHITE = (255, 255, 255)
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)())


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bits(first: bytes | Image.Image, second: bytes | Image.Image) -> int:
    """In how many bits two pictures differ."""
    return (perceptual_hash(first, WHITE) ^ perceptual_hash(second, WHITE)).bit_count()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_scaled_and_compressed_copies_differ_in_few_bits(name):
    image = photograph(name)
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    for copy in (saved(image, "JPEG", quality=20), saved(half, "JPEG"), saved(half, "WEBP")):
        assert bits(saved(image), copy) <= 4


def test_different_photographs_differ_in_many_bits():
    first, second, third = map(photograph, PHOTOGRAPHS)
    for one, other in ((first, second), (second, third), (first, third)):
        assert bits(one, other) > 16


def test_a_photograph_that_lies_on_its_side_is_turned_first():
    image = photograph("chelsea")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    assert bits(image, turned) <= 2


@pytest.mark.parametrize("colour", ["black", "white", "red"])
def test_pictures_without_a_pattern_are_all_alike(colour):
    flat = saved(Image.new("RGB", (70, 50), colour), "JPEG")
    assert bits(flat, saved(Image.new("RGB", (333, 90), "grey"))) <= 1


def test_a_damaged_file_has_no_hash():
    with pytest.raises(RowError, match="truncated or damaged"):
        perceptual_hash(saved(photograph("coffee"))[:1000], WHITE)


def test_equal_files_and_equal_pixels_have_equal_exact_hashes(
    picture: Callable[..., Image.Image],
):
    assert exact_hash(saved(picture())) == exact_hash(saved(picture()))
    assert exact_hash(picture()) == exact_hash(picture())
    assert exact_hash(saved(picture())) != exact_hash(saved(picture(), "BMP"))
    assert exact_hash(picture(8, 16)) != exact_hash(picture(16, 8))
