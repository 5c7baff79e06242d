"""Contact sheets."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from onepic.sampler.sheet import contact_sheet

WIDTH, HEIGHT, GAP = 20, 10, 8


def plain(number: int) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), (number, 0, 0))


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (7, 3, 3), (10, 4, 3)],
)
def test_pictures_stand_in_reading_order_with_white_between(count, columns, rows):
    sheet = contact_sheet([plain(number) for number in range(count)])
    assert sheet.size == (columns * (WIDTH + GAP) - GAP, rows * (HEIGHT + GAP) - GAP)
    pixels = np.asarray(sheet)
    white = np.ones(pixels.shape[:2], bool)
    for number in range(count):
        row, column = divmod(number, columns)
        top, left = row * (HEIGHT + GAP), column * (WIDTH + GAP)
        part = np.s_[top : top + HEIGHT, left : left + WIDTH]
        assert (pixels[part] == (number, 0, 0)).all()
        white[part] = False
    assert (pixels[white] == 255).all()
