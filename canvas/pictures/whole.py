"""Whether the data of a picture are whole, where decoders do not say: PNG, TIFF, WebP and AVIF.

A PNG has a checksum of all pixels at its end, which decoders look at when they come so far; so the
checksum of that end itself is looked at. So have the parts of a TIFF that are deflated, which
libtiff does not look at.

WebP and AVIF have no checksum. A decoder that meets damaged bytes goes on with other symbols and
shows blocks of wrong colours without an error; but it then needs more bytes than there are, which
is an error, or fewer. So the last bytes are changed and the picture is decoded once more: if
nothing changes, the decoder did not come so far.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from PIL import Image

from .containers import avif_data, png_data, webp_data

#: Bytes that are changed. A sound file may end in one or two that mean nothing.
_CHANGED = 16
#: Tags of a TIFF: where its parts lie and how long they are, for strips and for tiles.
_PARTS = ((273, 279), (324, 325))
_DEFLATED = ("tiff_adobe_deflate", "tiff_deflate")


def check_whole(data: bytes, image: Image.Image) -> None:
    """Refuse a picture whose data are damaged.

    Args:
        data: the whole file.
        image: its first picture, loaded, of one of the formats in `CHECKED`.

    Raises:
        ValueError: saying what is wrong.
    """
    CHECKED[image.format or ""](data, image)


def _check_png(data: bytes, _: Image.Image) -> None:
    part = png_data(data)
    if part is not None:
        # It is the checksum of the chunk's name and of what it holds.
        expected = data[part.stop : part.stop + 4]
        if zlib.crc32(data[part.start - 4 : part.stop]).to_bytes(4, "big") != expected:
            raise ValueError("the checksum of its last data is wrong")


def _check_tiff(data: bytes, image: Image.Image) -> None:
    tags: Any = getattr(image, "tag_v2", {})
    if image.info.get("compression") not in _DEFLATED:
        return
    for starts, sizes in _PARTS:
        for start, size in zip(tags.get(starts, ()), tags.get(sizes, ()), strict=False):
            part = zlib.decompressobj()
            try:
                part.decompress(data[start : start + size])
            except zlib.error as error:
                raise ValueError(f"a part of its data cannot be inflated: {error}") from error
            if not part.eof:
                raise ValueError("a part of its data has no end")


def _check_end(find: Callable[[bytes], slice | None], data: bytes, image: Image.Image) -> None:
    part = find(data)
    if part is None:
        return
    end = part.start + len(data[part].rstrip(b"\0"))  # some encoders fill up with zeros
    tail = slice(max(part.start, end - _CHANGED), end)
    changed = data[: tail.start] + bytes(byte ^ 0xFF for byte in data[tail]) + data[tail.stop :]
    if _is_same(changed, image):
        raise ValueError("the picture ends before its data do")


def _is_same(data: bytes, image: Image.Image) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=[image.format or ""]) as other:
            return other.mode == image.mode and other.tobytes() == image.tobytes()
    except Exception:  # decoders raise anything; that they do shows that the bytes matter
        return False


#: What is looked at, by the formats as Pillow calls them.
CHECKED: dict[str, Callable[[bytes, Image.Image], None]] = {
    "PNG": _check_png,
    "TIFF": _check_tiff,
    "WEBP": partial(_check_end, webp_data),
    "AVIF": partial(_check_end, avif_data),
}
