"""Files of every format that can be opened, whatever they are called."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onepic.canvas.pictures.images import decode_image, image_size
from onepic.common.errors import RowError

WHITE = (255, 255, 255)
LEFT, RIGHT = (200, 30, 30), (20, 40, 190)
#: Files of formats that another package reads, as they begin.
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64
JXL = (b"\xff\x0a" + b"\0" * 64, b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 64)


def halves(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (64, 32), LEFT)
    image.paste(RIGHT, (32, 0, 64, 32))
    return image.convert(mode)


def encode(kind: str, image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def shows(data: bytes, left: Any, right: Any) -> bool:
    """Whether a file's picture is `left` and `right`, as far as a lossy format can say."""
    decoded = decode_image(data, background=WHITE)
    assert decoded.original_size == image_size(data) == (64, 32)
    found = [decoded.image.getpixel((x, 16)) for x in (8, 56)]
    return bool(np.abs(np.subtract(found, [left, right])).max() <= 6)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("MPO", {"quality": 95, "save_all": True, "append_images": [Image.new("RGB", (64, 32))]}),
        ("PNG", {}),
        ("PNG", {"save_all": True, "append_images": [Image.new("RGB", (64, 32))]}),
        ("PPM", {}),
        ("JPEG2000", {}),
        ("QOI", {}),
        ("AVIF", {"quality": 95}),
    ],
)
def test_a_file_is_known_by_its_content(kind, options):
    assert shows(encode(kind, halves(), **options), LEFT, RIGHT)


def test_a_grey_map_is_a_picture():
    grey = halves("L")
    values = [(grey.getpixel((x, 16)),) * 3 for x in (8, 56)]
    assert shows(encode("PPM", grey), *values)


@pytest.mark.parametrize(("kind", "package"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_with_their_packages_heic_and_jpeg_xl_are_read(kind, package):
    plugin = pytest.importorskip(package)
    getattr(plugin, "register_heif_opener", lambda: None)()
    data = encode(kind, halves(), quality=95)
    assert shows(data, LEFT, RIGHT)
    with pytest.raises(RowError, match=r"a damaged (HEIC|JPEG XL) file"):
        decode_image(data[: len(data) // 2], background=WHITE)


@pytest.mark.parametrize(("kind", "package"), [("HEIF", "pillow_heif"), ("JXL", "pillow_jxl")])
def test_what_their_decoder_has_turned_is_not_turned_again(kind, package):
    plugin = pytest.importorskip(package)
    getattr(plugin, "register_heif_opener", lambda: None)()
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(kind, halves(), exif=exif.tobytes())
    upright = Image.open(io.BytesIO(data)).size
    assert decode_image(data, background=WHITE).image.size == image_size(data) == upright


@pytest.mark.parametrize(
    ("data", "package", "extra"),
    [
        (HEIC, "pillow_heif", "heic"),
        (JXL[0], "pillow_jxl", "jxl"),
        (JXL[1], "pillow_jxl", "jxl"),
    ],
)
def test_without_its_package_a_format_is_named_with_what_to_install(
    data, package, extra, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RowError, match=rf"pip install 'onepic\[{extra}\]'") as raised:
        decode_image(data, background=WHITE)
    assert raised.value.stage == "decode"
