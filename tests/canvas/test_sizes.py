"""Panel sizes suit the model, and what does not fit is answered with what would."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onepic.canvas.sizes import BATCH_PIXELS, auto_panel_size, batch_size, check_panel_size

FACTOR = st.sampled_from([4, 8, 16, 32])
SIDE = st.integers(8, 8192)


@pytest.mark.parametrize(
    ("rows", "columns", "side"), [(2, 2, 512), (1, 2, 704), (1, 3, 576), (1, 1, 1024), (3, 3, 320)]
)
def test_automatic_panels_bring_the_canvas_to_sdxls_area(
    rows: int, columns: int, side: int
) -> None:
    assert auto_panel_size(rows, columns, 1024 * 1024) == (side, side)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(64, 2048).map(lambda side: side**2))
def test_automatic_panels_are_square_and_as_near_as_steps_of_64_allow(
    rows: int, columns: int, area: int
) -> None:
    width, height = auto_panel_size(rows, columns, area)
    assert width == height >= 64
    assert width % 64 == 0
    ideal = (area / (rows * columns)) ** 0.5
    assert abs(width - ideal) <= 32 or (width == 64 and ideal < 32)


@given(SIDE, SIDE, FACTOR)
@example(8, 47, 32)
def test_a_size_is_accepted_or_answered_with_the_nearest_that_is(
    width: int, height: int, factor: int
) -> None:
    if width % factor == 0 and height % factor == 0:
        check_panel_size(width, height, factor)
        return
    with pytest.raises(ValueError, match=f"{width} x {height} px .* factor {factor}") as raised:
        check_panel_size(width, height, factor)
    proposed = [int(side) for side in re.findall(r"is: (\d+) x (\d+)$", str(raised.value))[0]]
    check_panel_size(*proposed, factor)
    for side, nearest in zip((width, height), proposed, strict=True):
        assert nearest >= factor
        assert abs(nearest - side) <= factor / 2 or (nearest == factor and side < factor)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(256, 256, 16), (512, 512, 4), (704, 704, 2), (1024, 1024, 1), (2048, 2048, 1), (8, 8, 16384)],
)
def test_panels_are_encoded_in_batches_of_about_a_megapixel(
    width: int, height: int, expected: int
) -> None:
    assert batch_size(width, height) == expected
    assert expected == 1 or expected * width * height <= BATCH_PIXELS
