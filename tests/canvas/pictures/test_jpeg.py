"""Whole JPEGs come as Pillow decodes them, and damaged ones do not come at all."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onepic.canvas.pictures.jpeg import StrangeJpegError, decode_jpeg

END = b"\xff\xd9"


def photograph(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    """Noise of many scales, so that every block of a JPEG has data of its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noise = rng.integers(-20, 20, smooth.shape)
    return Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or photograph()).save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


def decode(data: bytes, factor: int = 1) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return decode_jpeg(data, image, factor)


def by_pillow(data: bytes, factor: int = 1) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    if factor > 1:
        image.draft(None, (image.width // factor, image.height // factor))
    image.load()
    return image


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.mode == second.mode and np.array_equal(np.asarray(first), np.asarray(second))


def cut_in_half(data: bytes) -> bytes:
    return data[: len(data) // 2] + END


def zeros(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(1000) + data[middle + 1000 :]


def a_piece_is_missing(data: bytes) -> bytes:
    return data[: len(data) // 2] + data[len(data) // 2 + 1500 :]


def other_bytes(data: bytes) -> bytes:
    middle = len(data) // 2
    noise = np.random.default_rng(0).integers(0, 255, 300, dtype=np.uint8).tobytes()
    return data[:middle] + noise + data[middle + 300 :]


def twice_as_high(data: bytes) -> bytes:
    """The head claims rows that the data do not have."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + (240).to_bytes(2, "big") + data[place + 2 :]


WAYS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "optimised": {"optimize": True},
    "restart markers": {"restart_marker_blocks": 10},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "quality 5": {"quality": 5},
    "EXIF with a thumbnail": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0" + jpeg(photograph(32, 32))},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_sound_file_gives_pillows_pixels(way: str, mode: str, factor: int) -> None:
    more = {"subsampling": 0} if mode == "CMYK" else {}
    data = jpeg(photograph().convert(mode), **{**WAYS[way], **more})
    assert same(decode(data, factor), by_pillow(data, factor))


@settings(max_examples=40)
@given(
    st.tuples(st.integers(8, 130), st.integers(8, 130)),
    st.integers(1, 100),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([1, 2, 4, 8]),
)
def test_a_sound_file_of_any_size_gives_pillows_pixels(
    size: tuple[int, int], quality: int, progressive: bool, subsampling: int, factor: int
) -> None:
    image = photograph(*size)
    data = jpeg(image, quality=quality, progressive=progressive, subsampling=subsampling)
    assert same(decode(data, factor), by_pillow(data, factor))


def test_what_stands_behind_a_picture_does_not_matter() -> None:
    sound = jpeg()
    for rest in (b"\0" * 100, b"<html>" * 20, jpeg(photograph(seed=1)), b"\xff"):
        assert same(decode(sound + rest), by_pillow(sound))


def test_the_first_picture_of_several_counts() -> None:
    file = io.BytesIO()
    first, second = photograph(), photograph(seed=1)
    first.save(file, "MPO", save_all=True, append_images=[second])
    assert same(decode(file.getvalue()), by_pillow(file.getvalue()))


@pytest.mark.parametrize("way", ["baseline", "progressive", "optimised", "restart markers"])
@pytest.mark.parametrize("damage", [cut_in_half, zeros, a_piece_is_missing, other_bytes])
@pytest.mark.parametrize("factor", [1, 8])
def test_lost_pixels_are_refused_that_pillow_would_fill(way: str, damage: Any, factor: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(damage(jpeg(**WAYS[way])), factor)


def test_a_head_that_claims_more_rows_is_refused() -> None:
    assert by_pillow(twice_as_high(jpeg())).size == (160, 240)
    with pytest.raises(ValueError, match="premature end of data"):
        decode(twice_as_high(jpeg()))


def test_most_blocks_of_zeros_are_found_wherever_they_lie() -> None:
    data, rng = jpeg(photograph(320, 240)), np.random.default_rng(0)
    found = 0
    for place in rng.integers(700, len(data) - 700, 60):
        broken = data[:place] + bytes(512) + data[place + 512 :]
        try:
            decode(broken)
        except ValueError:
            found += 1
    assert found >= 45


def test_a_few_bytes_that_a_camera_left_are_no_damage_and_no_certainty() -> None:
    """Webcams write a byte or two before markers."""
    sound = jpeg()
    with pytest.raises(StrangeJpegError, match="bytes left before marker 0xd9"):
        decode(sound[:-2] + b"\0\0\0" + END)
    with pytest.raises(ValueError, match=r"\d\d extraneous bytes"):
        decode(sound[:-2] + b"\x55" * 100 + END)


def test_it_is_uncertain_where_the_decoder_does_not_know_the_kind() -> None:
    with pytest.raises(StrangeJpegError, match="subsampling"):
        decode(jpeg(photograph().convert("CMYK"), subsampling=1))


def test_colours_that_are_stored_as_red_green_and_blue() -> None:
    data = jpeg(keep_rgb=True)
    assert same(decode(data), by_pillow(data))


def test_bytes_between_the_parts_of_a_head_are_no_damage() -> None:
    sound = jpeg()
    place = sound.index(b"\xff\xdb")
    with pytest.raises(StrangeJpegError):
        decode(sound[:place] + b"\0" * 600 + sound[place:])
