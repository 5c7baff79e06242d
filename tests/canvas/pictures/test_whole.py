"""Damaged files are refused that decoders show as if they were whole."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from onepic.canvas.pictures.containers import avif_data, webp_data
from onepic.canvas.pictures.whole import check_whole

#: Each way to write a file; AVIF is written quickly.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "webp": ("WEBP", {"quality": 80}),
    "webp best": ("WEBP", {"quality": 100, "method": 6}),
    "webp lossless": ("WEBP", {"lossless": True}),
    "avif": ("AVIF", {"quality": 80, "speed": 10}),
    "avif 4:4:4": ("AVIF", {"quality": 50, "speed": 10, "subsampling": "4:4:4"}),
}

EXIF = b"Exif\0\0MM\0*\0\0\0\x08" + bytes(300)


def draw(width: int = 96, height: int = 64, seed: int = 0, step: int = 6) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (step, step, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, way: str, **more: Any) -> bytes:
    kind, options = WAYS[way]
    file = io.BytesIO()
    image.save(file, kind, **options, **more)
    return file.getvalue()


def check(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        check_whole(data, image)


def coded(data: bytes) -> slice:
    part = webp_data(data) if data.startswith(b"RIFF") else avif_data(data)
    assert part is not None
    return part


def overwritten(data: bytes, start: float, content: bytes) -> bytes:
    """The file with other bytes somewhere in the data of its pixels."""
    part = coded(data)
    place = part.start + int((part.stop - part.start) * start)
    return data[:place] + content + data[place + len(content) :]


@pytest.mark.parametrize("way", WAYS)
def test_a_sound_file_passes(way: str) -> None:
    for image in (draw(), draw(333, 47, 1), Image.new("RGB", (16, 16), "red")):
        check(encode(image, way))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=12)
@given(st.tuples(st.integers(8, 90), st.integers(8, 90)), st.integers(0, 1000), st.integers(1, 30))
def test_a_sound_file_of_any_size_passes(
    way: str, size: tuple[int, int], seed: int, step: int
) -> None:
    check(encode(draw(*size, seed, step), way))


@pytest.mark.parametrize("way", ["webp", "webp lossless", "avif"])
def test_transparency_metadata_and_animation_pass(way: str) -> None:
    transparent = draw()
    transparent.putalpha(Image.linear_gradient("L").resize(transparent.size))
    check(encode(transparent, way))
    check(encode(draw(), way, exif=EXIF))
    check(encode(draw(), way, save_all=True, append_images=[draw(seed=1)]))


@pytest.mark.parametrize("way", ["webp", "webp best", "avif", "avif 4:4:4"])
@pytest.mark.parametrize(
    "content", [bytes(200), b"\xff" * 200, bytes(range(99))], ids=["zeros", "ones", "others"]
)
def test_a_damaged_file_is_refused(way: str, content: bytes) -> None:
    """Decoders show it, or refuse it themselves."""
    data = encode(draw(320, 240, step=40), way)
    shown = 0
    for start in (0.3, 0.4, 0.5, 0.6, 0.7):
        broken = overwritten(data, start, content)
        try:
            with Image.open(io.BytesIO(broken)) as image:
                image.load()
        except (OSError, ValueError, RuntimeError):
            continue
        shown += 1
        with pytest.raises(ValueError, match="ends before its data do"):
            check(broken)
    assert shown > 0


def noise() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)).save(
        file, "PNG"
    )
    return file.getvalue()


@pytest.mark.parametrize("count", [20, 100, 1000, 5000])
def test_a_png_whose_end_was_never_written_is_refused(count: int) -> None:
    """A download that got its full size first; Pillow decodes something of the zeros."""
    check(noise())
    data = noise()[:-count] + bytes(count)
    with pytest.raises((ValueError, OSError)):
        check(data)


def test_a_png_may_have_anything_behind_its_end() -> None:
    check(noise() + b"<html>" * 10)
    check(noise() + bytes(100))


def test_zeros_that_fill_up_a_picture_are_not_needed() -> None:
    data = encode(draw(), "webp")
    part = coded(data)
    padded = data[:16] + (part.stop - part.start + 400).to_bytes(4, "little") + data[part]
    padded += bytes(400)
    check(padded[:4] + (len(padded) - 8).to_bytes(4, "little") + padded[8:])


def test_the_data_of_the_first_frame_are_found_behind_others() -> None:
    plain = encode(draw(), "webp")
    rich = encode(draw(), "webp", icc_profile=b"p" * 101, exif=EXIF)
    moving = encode(draw(), "webp", save_all=True, append_images=[draw(seed=1)])
    assert plain[coded(plain)] == rich[coded(rich)]
    # A VP8 frame begins with its kind and size, these signs, and its width and height.
    size = plain[coded(plain)][3:10]
    assert (size[:3], moving[coded(moving)][3:10]) == (b"\x9d\x01\x2a", size)


def test_the_data_of_an_avif_are_found_behind_others() -> None:
    plain, rich = encode(draw(), "avif"), encode(draw(), "avif", exif=EXIF)
    assert plain[coded(plain)] == rich[coded(rich)]
    assert coded(plain).stop == len(plain)


@given(st.binary(max_size=120))
def test_anything_may_stand_in_a_file(content: bytes) -> None:
    for data in (b"RIFF\0\0\0\0WEBP" + content, b"\0\0\0\x60meta" + content):
        for find in (webp_data, avif_data):
            part = find(data)
            assert part is None or 0 <= part.start <= len(data) + 20


def test_a_sequence_is_left_to_its_decoder() -> None:
    moving = encode(draw(), "avif", save_all=True, append_images=[draw(seed=1)])
    assert avif_data(moving) is None


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw", None])
def test_a_sound_tiff_passes(mode: str, compression: str | None) -> None:
    file = io.BytesIO()
    draw().convert("L").convert(mode).save(file, "TIFF", compression=compression)
    check(file.getvalue() + bytes(50))


@pytest.mark.parametrize("place", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("content", [bytes(200), b"\x55" * 30])
def test_a_tiff_with_a_damaged_part_is_refused(place: float, content: bytes) -> None:
    file = io.BytesIO()
    draw(200, 150).save(file, "TIFF", compression="tiff_adobe_deflate")
    data, start = file.getvalue(), int(len(file.getvalue()) * place)
    with pytest.raises((ValueError, OSError)):
        check(data[:start] + content + data[start + len(content) :])
