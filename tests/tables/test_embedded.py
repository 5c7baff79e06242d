"""Images that stand in a table as text."""

from __future__ import annotations

import base64
import io

import pytest

from onepic.common.errors import RowError
from onepic.tables.embedded import embedded_bytes, is_embedded


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("start", ["", "data:image/png;base64,", "DATA:;base64,", "\n "])
def test_base64_and_data_uris_are_images(picture, kind, start):
    file = io.BytesIO()
    picture().save(file, kind)
    cell = start + base64.encodebytes(file.getvalue()).decode()  # with line breaks, as e-mails have
    assert is_embedded(cell)
    assert embedded_bytes(cell, "image") == file.getvalue()
    assert embedded_bytes(cell.rstrip("=\n"), "image") == file.getvalue()


@pytest.mark.parametrize(
    "path",
    [
        "images/0.png",
        "/9j/0.jpg",
        "/9j/" + "a" * 80 + "/0.jpg",
        "/9j/4AAQ",
        "https://example.org/data:image/0.png",
        "data/0.png",
        "Qk" + "a" * 300,
    ],
)
def test_paths_are_none(path):
    assert not is_embedded(path)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("iVBORw0KGgo" + "A" * 90 + "!", "'image' holds base64 of 102 characters that is damaged"),
        ("data:image/svg+xml,<svg/>", "'image' holds a data URI of 'image/svg.xml'; expected ;bas"),
    ],
)
def test_what_is_damaged_is_told_without_the_text(cell, message):
    with pytest.raises(RowError, match=message) as caught:
        embedded_bytes(cell, "image")
    assert len(str(caught.value)) < 200
