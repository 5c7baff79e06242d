"""First bytes of a file, and what they say it is, where it is not what was expected."""

from __future__ import annotations

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}


def is_web_page(head: bytes) -> bool:
    """Whether a file is HTML, as failed downloads are."""
    return head.lstrip().lower().startswith((b"<!doctype html", b"<html"))


def is_zip(head: bytes) -> bool:
    """Whether a file is a zip archive."""
    return head.startswith(b"PK\x03\x04")


def compressed_with(head: bytes) -> str | None:
    """The program that unpacks a compressed file with ``-dc``, such as ``xz``."""
    return next((name for start, name in _COMPRESSED.items() if head.startswith(start)), None)
