"""Awkward files: what each decodes to, or the reason that it is refused with."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from onepic.canvas.pictures.images import Decoded, decode_image, image_size, load_values
from onepic.common.errors import RowError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(value: Any, **options: Any) -> Decoded:
    return decode_image(value, background=WHITE, **options)


def refusal(value: Any, stage: str = "decode") -> str:
    with pytest.raises(RowError) as caught:
        decode(value)
    assert caught.value.stage == stage
    return caught.value.reason


def halves(
    left: Any, right: Any, mode: str = "RGB", size: tuple[int, int] = (16, 8)
) -> Image.Image:
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def pixel(decoded: Decoded, x: int = 0, y: int = 0) -> Any:
    assert decoded.image.mode == "RGB"
    return decoded.image.getpixel((x, y))


def close(found: Any, expected: Any, by: int = 3) -> bool:
    difference = np.asarray(found).astype(int) - np.asarray(expected)
    return bool(np.abs(difference).max() <= by)


def test_path_bytes_url_and_image_decode_to_the_same(picture: Any, tmp_path: Path) -> None:
    image, file = picture(), tmp_path / "a.png"
    image.save(file)
    for value in (str(file), file.read_bytes(), file.as_uri(), image):
        assert decode(value) == Decoded(image, (64, 48))


def test_a_file_may_lie_about_its_format(picture: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(picture(), "JPEG"))
    assert decode(str(tmp_path / "a.png")).image.size == (64, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: Any, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = decode(encode(picture(64, 48), exif=exif))
    turned = orientation >= 5
    assert upright.image.size == upright.original_size == ((48, 64) if turned else (64, 48))


def test_exif_orientation_6_turns_clockwise() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encode(halves(RED, BLUE), exif=exif))
    assert (pixel(decoded, 0, 0), pixel(decoded, 0, 15)) == (RED, BLUE)


def test_broken_exif_is_ignored(picture: Any) -> None:
    decoded = decode(encode(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    assert decoded.image.size == (64, 48)


def test_cmyk_jpeg() -> None:
    data = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert close(pixel(decode(data)), RED, by=6)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str, value: int, expected: int) -> None:
    image = Image.fromarray(np.full((8, 8), value, np.uint16))
    assert pixel(decode(encode(image, kind))) == (expected,) * 3


def test_grey_values_beyond_16_bits_and_floats_are_refused() -> None:
    wide = Image.fromarray(np.full((8, 8), 70_000, np.int32))
    assert "70000" in refusal(encode(wide, "TIFF"))
    reason = refusal(encode(Image.new("F", (8, 8), 0.5), "TIFF"))
    assert "TIFF image of 8x8 px has floats for pixels, 0.5 to 0.5; choose its range" in reason


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_range_brings_a_part_of_16_bits_to_light(kind: str) -> None:
    depth = encode(Image.fromarray(np.linspace(500, 4500, 64, dtype=np.uint16).reshape(8, 8)), kind)
    dark, light = decode(depth), decode(depth, value_range=(500, 4500))
    assert (pixel(dark, 7, 7), pixel(light, 0, 0), pixel(light, 7, 7)) == (
        (18,) * 3,
        (0,) * 3,
        WHITE,
    )
    assert decode(depth, value_range="minmax").image == light.image
    assert [found.kind for found in dark.findings] == ["few-levels"]
    assert light.findings == ()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_colours_of_16_bits_that_use_few_of_them_are_found(channels: int, suffix: str) -> None:
    values = np.linspace(0, 1023, 64 * channels).reshape(8, 8, channels)
    for factor, found in ((1, ["few-levels"]), (64, [])):
        scaled = values * factor
        scaled[..., 3:] = 65535
        done, data = cv2.imencode(suffix, scaled.astype(np.uint16))
        assert done
        assert [item.kind for item in decode(data.tobytes()).findings] == found


def test_pictures_of_8_bits_may_be_of_one_colour() -> None:
    assert decode(encode(Image.new("RGB", (8, 8), RED))).findings == ()


@pytest.mark.parametrize("value_range", ["minmax", (0.0, 1.0)])
def test_a_range_needs_one_value_for_each_pixel(value_range: Any) -> None:
    with pytest.raises(
        RowError, match="PNG image of 16x8 px has RGB for pixels; a range needs one"
    ):
        decode(encode(halves(RED, BLUE)), value_range=value_range)


@pytest.mark.parametrize("alpha", [0, 1, 7])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PNG with a palette", "WEBP"])
def test_what_is_transparent_everywhere_is_refused(mode: str, alpha: int) -> None:
    image = Image.new("RGBA", (16, 8), (255, 0, 0, alpha))
    file = {
        "RGBA": lambda: encode(image),
        "LA": lambda: encode(image.convert("LA")),
        "PNG with a palette": lambda: encode(
            Image.new("P", (16, 8), 0), transparency=bytes([alpha] * 256)
        ),
        "WEBP": lambda: encode(image, "WEBP", lossless=True, exact=True),
    }[mode]()
    assert "is transparent everywhere" in refusal(file)


def test_what_is_seen_in_one_place_is_not_transparent_everywhere() -> None:
    image = Image.new("RGBA", (16, 8), (255, 0, 0, 0))
    image.putpixel((3, 3), (255, 0, 0, 255))
    assert pixel(decode(encode(image)), 3, 3) == RED


@pytest.mark.parametrize(
    ("kind", "mode", "expected"),
    [
        ("PNG", "P", True),
        ("GIF", "P", True),
        ("GIF", "L", True),
        ("TIFF", "P", True),
        ("BMP", "L", False),
        ("PNG", "L", False),
        ("PNG", "RGB", False),
        ("JPEG", "L", False),
    ],
)
def test_a_file_with_a_palette_is_known(kind: str, mode: str, expected: bool) -> None:
    assert decode(encode(halves(0, 1, "L").convert(mode), kind)).has_palette is expected


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("AVIF", {"speed": 10})],
)
@pytest.mark.parametrize("at_least", [None, (8, 8)])
def test_a_damaged_file_in_a_whole_container_is_refused(
    kind: str, options: Any, at_least: Any
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind, **options)
    middle = len(data) // 2
    with pytest.raises(RowError, match=f"{kind} image of 96x96 px is truncated or damaged"):
        decode(data[:middle] + bytes(500) + data[middle + 500 :], at_least=at_least)


def test_a_damaged_mask_is_refused_like_a_picture() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96), dtype=np.uint8)
    data = encode(Image.fromarray(noise), "JPEG")
    assert load_values(data).mode == "L"
    with pytest.raises(RowError, match="truncated or damaged"):
        load_values(data[: len(data) // 2] + b"\xff\xd9")


def test_a_jpeg_of_which_damage_is_uncertain_is_kept_and_counted(picture: Any) -> None:
    sound = encode(picture(64, 48), "JPEG")
    strange = decode(sound[:-2] + b"\0\0\0\xff\xd9", at_least=(32, 24))
    assert strange.image == decode(sound, at_least=(32, 24)).image
    assert [(found.kind, found.about) for found in strange.findings] == [
        ("strange-jpeg", "Corrupt JPEG data: bytes left before marker 0xd9")
    ]


def test_palette_with_transparency_shows_the_background() -> None:
    image = Image.new("P", (16, 8), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (8, 0, 16, 8))
    decoded = decode(encode(image, transparency=1))
    assert (pixel(decoded), pixel(decoded, 15)) == (RED, WHITE)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("LA", (100, 51), (224, 224, 224)),
        ("LA", (100, 255), (100, 100, 100)),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204)),
        ("L", 7, (7, 7, 7)),
        ("1", 1, WHITE),
        ("RGBa", (51, 0, 0, 51), (255, 204, 204)),
        ("La", (0, 51), (204, 204, 204)),
        ("YCbCr", (0, 128, 128), (0, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb_over_the_background(mode: str, colour: Any, expected: Any) -> None:
    assert pixel(decode(Image.new(mode, (8, 8), colour))) == expected


def test_a_transparent_colour_without_alpha() -> None:
    decoded = decode(encode(halves(RED, GREEN), transparency=GREEN))
    assert (pixel(decoded), pixel(decoded, 15)) == (RED, WHITE)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_an_animation_shows_its_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (32, 32), RED), Image.new("RGB", (32, 32), BLUE)
    data = encode(first, kind, save_all=True, append_images=[second])
    assert close(pixel(decode(data)), RED)


def test_an_srgb_profile_changes_nothing(picture: Any) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = picture()
    assert close(decode(encode(image, icc_profile=profile)).image, image, by=1)
    grey = image.convert("L")
    assert close(decode(encode(grey, icc_profile=profile)).image, grey.convert("RGB"), by=1)


def matrix_profile() -> bytes:
    """The sRGB profile with its red and blue primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def test_colours_are_converted_by_the_profile() -> None:
    transparent = Image.new("RGBA", (8, 8), (0, 0, 255, 255))
    for image in (Image.new("RGB", (8, 8), BLUE), transparent):
        assert close(pixel(decode(encode(image, icc_profile=matrix_profile()))), RED)


@pytest.mark.parametrize(
    "profile",
    [b"not a profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()],
)
def test_a_broken_or_unsuitable_profile_is_ignored(profile: bytes) -> None:
    assert pixel(decode(encode(Image.new("RGB", (8, 8), RED), icc_profile=profile))) == RED


def test_an_rgb_profile_in_a_cmyk_file_is_ignored() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert close(pixel(decode(encode(image, "TIFF", icc_profile=matrix_profile()))), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_a_truncated_file_is_refused_by_name_and_size(picture: Any, kind: str) -> None:
    data = encode(picture(200, 150), kind)
    reason = refusal(data[: len(data) // 2])
    assert "complete file" in reason or "not an image" in reason
    if kind == "JPEG":
        assert reason.startswith("JPEG image of 200x150 px is truncated")


def test_what_is_not_an_image_is_described(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    for content, found in [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><p>404", "web page"),
        (b"hello\n", "text ('hello\\n')"),
        (b"\0\1\2\3", "00 01 02 03"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "text"),
    ]:
        file.write_bytes(content)
        reason = refusal(str(file))
        assert reason.startswith(f"{file}: not an image")
        assert found in reason


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "No such file" in refusal(str(tmp_path / "a.png"), "read")
    assert "directory" in refusal(str(tmp_path), "read")
    assert "cannot be read" in refusal((tmp_path / "a.png").as_uri(), "read")
    assert "found nothing" in refusal(None, "read")


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">4s2I5B", b"IHDR", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


def test_a_decompression_bomb_is_refused_from_its_header() -> None:
    reason = refusal(png_header(30_000, 30_000) + b"\0\0\0\0IDAT")
    assert "900000000 px" in reason
    assert "178956970" in reason


def test_an_image_of_one_pixel_is_refused() -> None:
    assert "1x1 px is too small" in refusal(encode(Image.new("RGB", (1, 1))))
    assert "at least 8 px" in refusal(Image.new("RGB", (7, 100)))


@pytest.mark.parametrize(
    ("size", "needed", "expected"),
    [
        ((256, 128), (64, 32), (64, 32)),
        ((256, 128), (65, 32), (128, 64)),
        ((255, 128), (64, 32), (255, 128)),
        ((256, 128), (256, 129), (256, 128)),
    ],
)
def test_a_jpeg_is_reduced_only_by_a_factor_without_rest(
    picture: Any, size: Any, needed: Any, expected: Any
) -> None:
    decoded = decode(encode(picture(*size), "JPEG"), at_least=needed)
    assert (decoded.image.size, decoded.original_size) == (expected, size)


def test_a_turned_jpeg_is_reduced_to_its_upright_need(picture: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encode(picture(256, 128), "JPEG", exif=exif), at_least=(32, 64))
    assert (decoded.image.size, decoded.original_size) == ((32, 64), (128, 256))


@pytest.mark.parametrize(
    ("image", "mode", "kind"),
    [
        (Image.new("1", (16, 8), 255), "1", "PNG"),
        (Image.new("L", (16, 8), 3), "L", "PNG"),
        (Image.new("LA", (16, 8), (3, 4)), "LA", "PNG"),
        (Image.fromarray(np.full((8, 16), 300, np.uint16)), "I;16", "PNG"),
        (Image.fromarray(np.full((8, 16), -70_000, np.int32)), "I", "TIFF"),
        (Image.new("F", (16, 8), 0.25), "F", "TIFF"),
        (Image.new("P", (16, 8), 5), "P", "PNG"),
        (Image.new("RGBA", (16, 8), (1, 2, 3, 0)), "RGBA", "PNG"),
        (Image.new("CMYK", (16, 8)), "RGB", "TIFF"),
    ],
)
def test_values_are_loaded_as_the_file_has_them(image: Any, mode: str, kind: str) -> None:
    if mode == "P":
        image.putpalette(range(48))
    loaded = load_values(encode(image, kind))
    assert loaded.mode == mode
    if mode != "RGB":
        assert loaded.getpixel((3, 3)) == image.getpixel((3, 3))


def test_values_are_loaded_upright_and_without_a_profile() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    loaded = load_values(encode(halves(RED, BLUE), exif=exif, icc_profile=matrix_profile()))
    assert (loaded.getpixel((0, 0)), loaded.getpixel((0, 15))) == (RED, BLUE)


def test_values_of_what_is_no_image_are_refused_as_an_image_is() -> None:
    for value, stage in ((b"text", "decode"), ("nowhere.png", "read"), (None, "read")):
        with pytest.raises(RowError) as caught:
            load_values(value)  # type: ignore[arg-type]
        assert caught.value.stage == stage


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("turn", [1, 3, 6])
def test_the_head_alone_tells_the_upright_size(picture: Any, kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    file = encode(picture(48, 32), kind, exif=exif)
    assert image_size(file) == decode(file).original_size
    if kind != "AVIF":  # it is stored upright, or turned by its own means
        assert image_size(file) == ((32, 48) if turn == 6 else (48, 32))


def test_the_size_is_told_before_a_damaged_pixel_is_met(picture: Any) -> None:
    file = encode(picture(480, 320))[:100]
    assert image_size(file) == (480, 320)
    told: list[Any] = []
    with pytest.raises(RowError, match="truncated or damaged"):
        decode(file, accept=told.append)
    assert told == [(480, 320)]


def test_a_rough_look_at_a_jpeg_may_be_of_any_fraction(picture: Any) -> None:
    file = encode(picture(401, 303), "JPEG")
    assert decode(file, at_least=(64, 64)).image.size == (401, 303)
    rough = decode(file, at_least=(64, 64), rough=True)
    assert rough.original_size == (401, 303)
    assert rough.image.width < 201
