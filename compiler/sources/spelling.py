"""Names as people take them for the same, and in the order in which people count."""

from __future__ import annotations

import re
import unicodedata

_DIGITS = re.compile(r"(\d+)")


def stem_of(path: str) -> str:
    """A path without its suffix."""
    return path.rpartition(".")[0]


def alike(name: str) -> str:
    """Equal for names that differ in case, in how accents are spelt, or in blanks at the end."""
    text = name.rstrip()
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


def natural(name: str) -> tuple[list[str | int], str]:
    """A key for sorting ``page2`` before ``page10``."""
    parts: list[str | int] = [*_DIGITS.split(name)]
    parts[1::2] = map(int, parts[1::2])
    return parts, name
