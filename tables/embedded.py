"""Images that stand in a table as text: in base64, or as data URIs."""

from __future__ import annotations

import base64
import binascii
import re

from ..common.errors import RowError

_DATA_URI = re.compile(r"\s*data:([^,]{0,200}),", re.IGNORECASE)
#: How JPEG, PNG, GIF, WebP, TIFF, BMP, AVIF or HEIC, and JPEG XL begin in base64.
_BASE64 = re.compile(
    r"\s*(?:/9j/|iVBORw0KGgo|R0lGOD|UklGR|SUkq|TU0AK|Qk[0-3]|AAAA..Z0eX|AAAADEpYTCA|/wo)"
    r"[A-Za-z0-9+/\s]{48}"
)
#: Characters of base64 that are looked at, behind those with which a format begins.
_SHORTEST = 48
_BLANKS = re.compile(r"\s+")


def is_embedded(cell: str) -> bool:
    """Whether the text of an image cell is an encoded file rather than the place of one.

    Base64 has no dot, and so long a path without a suffix is no image's.
    """
    if ":" in cell[:8] and _DATA_URI.match(cell):
        return True
    return len(cell) > _SHORTEST and "." not in cell and bool(_BASE64.match(cell))


def embedded_bytes(cell: str, column: str) -> bytes:
    """The file in a cell for which `is_embedded` holds.

    Raises:
        RowError: when it is not whole; the text of the cell is not in the message.
    """
    uri = _DATA_URI.match(cell)
    if uri and not uri[1].lower().endswith(";base64"):
        found = f"a data URI of {uri[1][:40]!r}"
        raise RowError("read", f"the column {column!r} holds {found}; expected ;base64 in it")
    text = _BLANKS.sub("", cell[uri.end() if uri else 0 :])
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        found = f"base64 of {len(text)} characters that is damaged ({error})"
        reason = f"the column {column!r} holds {found}; encode the image again"
        raise RowError("read", reason) from error
