"""Whether the end of a picture's data is what it should be: for PNG, WebP and AVIF.

A PNG has a checksum of all pixels at its end, which decoders ask for when they come so far; so the
checksum of that end itself is looked at.

WebP and AVIF have no checksum. A decoder that meets damaged bytes goes on with other symbols and
shows blocks of wrong colours without an error; but it then needs more bytes than there are, which
is an error, or fewer. So the last bytes are changed and the picture is decoded once more: if
nothing changes, the decoder did not come so far.
"""

from __future__ import annotations

import io
import zlib

from PIL import Image

from .containers import avif_data, png_data, webp_data

#: Bytes that are changed. A sound file may end in one or two that mean nothing.
_CHANGED = 16
_FIND = {"WEBP": webp_data, "AVIF": avif_data}

#: The formats, as Pillow calls them, that are looked at.
CHECKED_AT_END = ("PNG", *_FIND)


def check_end(data: bytes, image: Image.Image) -> None:
    """Refuse a picture whose data do not end as they should.

    Args:
        data: the whole file.
        image: its first picture, loaded, of one of the formats `CHECKED_AT_END`.

    Raises:
        ValueError: when they do not.
    """
    if image.format == "PNG":
        _check_png(data)
        return
    part = _FIND[image.format or ""](data)
    if part is None:
        return
    end = part.start + len(data[part].rstrip(b"\0"))  # some encoders fill up with zeros
    tail = slice(max(part.start, end - _CHANGED), end)
    changed = data[: tail.start] + bytes(byte ^ 0xFF for byte in data[tail]) + data[tail.stop :]
    if _is_same(changed, image):
        raise ValueError("the picture ends before its data do")


def _check_png(data: bytes) -> None:
    part = png_data(data)
    if part is not None:
        # It is the checksum of the chunk's name and of what it holds.
        expected = data[part.stop : part.stop + 4]
        if zlib.crc32(data[part.start - 4 : part.stop]).to_bytes(4, "big") != expected:
            raise ValueError("the checksum of its last data is wrong")


def _is_same(data: bytes, image: Image.Image) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=[image.format or ""]) as other:
            return other.mode == image.mode and other.tobytes() == image.tobytes()
    except Exception:  # decoders raise anything; that they do shows that the bytes matter
        return False
