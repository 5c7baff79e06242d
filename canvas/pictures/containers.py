"""Where the data of a picture lie in a PNG, and in the containers of WebP and AVIF."""

from __future__ import annotations

import io
from collections.abc import Iterator

#: Units of AV1 that hold pixels: a frame, and a group of its tiles.
_FRAME, _TILE_GROUP = 6, 4
_TIME, _SEQUENCE = 2, 1  # one of them begins a picture's data


def png_data(data: bytes) -> slice | None:
    """The contents of the last chunk that holds pixels of the first picture; None without any."""
    found, start = None, 8
    while start + 8 <= len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] == b"IDAT":
            found = slice(start + 8, start + 8 + size)
        start += size + 12
    return found


def webp_data(data: bytes) -> slice | None:
    """Where the first frame's colours are coded; None if that is not found."""
    for name, part in _chunks(data, slice(12, len(data))):
        if name == b"ANMF":  # 16 bytes say where the frame lies and how long it is shown
            frame = _chunks(data, slice(part.start + 16, part.stop))
            return next((inner for kind, inner in frame if kind in (b"VP8 ", b"VP8L")), None)
        if name in (b"VP8 ", b"VP8L"):
            return part
    return None


def avif_data(data: bytes) -> slice | None:
    """Where the primary picture's last frame is coded.

    None where that is not found, and where the file has a sequence, or a picture put together from
    several.
    """
    boxes = dict(_boxes(data, slice(0, len(data))))
    if b"moov" in boxes or b"meta" not in boxes:
        return None
    meta = boxes[b"meta"]
    inner = dict(_boxes(data, slice(meta.start + 4, meta.stop)))
    if b"pitm" not in inner or b"iloc" not in inner:
        return None
    primary = _Fields(data[inner[b"pitm"]])
    wide = primary.number(4) >> 24 > 0
    place = _location(_Fields(data[inner[b"iloc"]]), primary.number(4 if wide else 2))
    return place and _last_frame(data, place)


def _chunks(data: bytes, place: slice) -> Iterator[tuple[bytes, slice]]:
    start = place.start
    while start + 8 <= place.stop:
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        yield data[start : start + 4], slice(start + 8, min(start + 8 + size, len(data)))
        start += 8 + size + size % 2


def _boxes(data: bytes, place: slice) -> Iterator[tuple[bytes, slice]]:
    start = place.start
    while start + 8 <= place.stop:
        size, head = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = place.stop - start
        if size < head:
            return
        yield data[start + 4 : start + 8], slice(start + head, min(start + size, place.stop))
        start += size


class _Fields:
    """The numbers of a box, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def number(self, size: int) -> int:
        """The next one, of `size` bytes."""
        return int.from_bytes(self._file.read(size), "big")


def _location(fields: _Fields, wanted: int) -> slice | None:
    """Where an item lies in the file, by its box ``iloc``; None where it is in several pieces."""
    version = fields.number(4) >> 24
    sizes = fields.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> s & 15 for s in (12, 8, 4, 0))
    id_size = 4 if version == 2 else 2
    for _ in range(fields.number(id_size)):
        item = fields.number(id_size)
        is_elsewhere = bool(fields.number(2)) if version else False
        fields.number(2)
        base = fields.number(base_size)
        pieces = []
        for _ in range(fields.number(2)):
            fields.number(index_size if version else 0)
            start = base + fields.number(offset_size)
            pieces.append(slice(start, start + fields.number(length_size)))
        if item == wanted:
            return pieces[0] if len(pieces) == 1 and not is_elsewhere else None
    return None


def _last_frame(data: bytes, place: slice) -> slice | None:
    """The last unit with pixels in the data of an AV1 picture."""
    found, start = None, place.start
    while start < min(place.stop, len(data)):
        head = data[start]
        kind, has_extension, has_size = head >> 3 & 15, head >> 2 & 1, head >> 1 & 1
        if start == place.start and kind not in (_TIME, _SEQUENCE):
            return None
        start += 1 + has_extension
        size, length = _variable(data, start) if has_size else (place.stop - start, 0)
        start += length
        if kind in (_FRAME, _TILE_GROUP):
            found = slice(start, min(start + size, place.stop))
        start += size
    return found


def _variable(data: bytes, start: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and how many bytes it takes."""
    value = 0
    for place, byte in enumerate(data[start : start + 8]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, place + 1
    return value, 8
