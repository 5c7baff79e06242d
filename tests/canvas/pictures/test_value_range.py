"""Which values become black and white, and which files keep too few levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from onepic.canvas.pictures.value_range import ValueRange, grey_levels, has_few_levels, is_deep
from onepic.common.errors import RowError

NUMBER = st.integers(0, 65535)


def image_of(values: Any, kind: Any = np.uint16) -> Image.Image:
    return Image.fromarray(np.atleast_2d(np.asarray(values, kind)))


def levels(values: Any, value_range: ValueRange, kind: Any = np.uint16) -> list[int]:
    return list(np.asarray(grey_levels(image_of(values, kind), value_range))[0])


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_numbers_become_black_and_white_and_what_lies_beyond_too(kind: Any) -> None:
    values = [0, 1000, 3000, 5000, 9000]
    assert levels(values, (1000.0, 5000.0), kind) == [0, 0, 128, 255, 255]
    assert levels(values, (5000.0, 1000.0), kind) == [255, 255, 128, 0, 0]


def test_8_bits_have_a_range_too() -> None:
    assert levels([0, 5, 10, 200], (0.0, 10.0), np.uint8) == [0, 128, 255, 255]


@given(st.lists(NUMBER, min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_minmax_uses_all_levels_and_keeps_the_order(values: list[int]) -> None:
    shown = levels(values, "minmax")
    assert (min(shown), max(shown)) == (0, 255)
    pairs = sorted(zip(values, shown, strict=True))
    assert [level for _, level in pairs] == sorted(shown)


@given(st.lists(NUMBER, min_size=1, max_size=30))
def test_the_full_range_is_that_of_16_bits(values: list[int]) -> None:
    assert levels(values, "full") == levels(values, (0.0, 65535.0))
    assert levels(values, "full") == [round(value / 257) for value in values]


def test_infinity_is_beyond_every_number() -> None:
    assert levels([-np.inf, 0, 1, np.inf], (0.0, 1.0), np.float32) == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("values", "value_range", "reason"),
    [
        ([0.5, 0.25], "full", "floats for pixels, 0.25 to 0.5; choose its range"),
        ([0.5, np.nan], (0.0, 1.0), "1 pixels without a number"),
        ([0.5, np.nan], "minmax", "1 pixels without a number"),
        ([0.5, np.inf], "minmax", "0.5 to inf"),
        ([0.5, 0.5], "minmax", "0.5 to 0.5"),
    ],
)
def test_values_that_have_no_place_are_refused(values: Any, value_range: Any, reason: str) -> None:
    with pytest.raises(RowError, match=reason) as caught:
        levels(values, value_range, np.float32)
    assert caught.value.stage == "decode"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("full", "full"), ("minmax", "minmax"), ([0, 10000], (0, 10000)), ((1.5, -1), (1.5, -1))],
)
def test_how_a_range_is_written(given: Any, meant: Any) -> None:
    assert TypeAdapter(ValueRange).validate_python(given) == meant


@pytest.mark.parametrize(
    "given", ["max", 255, [1], [1, 2, 3], [5, 5], [0, float("inf")], [0, "9"], [True, False], None]
)
def test_what_is_no_range_is_refused_with_what_is_expected(given: Any) -> None:
    with pytest.raises(ValidationError, match="expected full, minmax, or two different numbers"):
        TypeAdapter(ValueRange).validate_python(given)


@pytest.mark.parametrize(
    ("values", "few"),
    [
        (np.linspace(0, 4095, 500), True),  # 12 bits in 16
        (np.linspace(0, 1023, 500), True),
        (np.linspace(0, 255, 500), True),
        ([*np.linspace(0, 3000, 500), 65535], True),  # depth, and the mark for "too far"
        (np.linspace(0, 65535, 500), False),
        (np.linspace(20000, 40000, 500), False),
        ([0, 30000, 65535], False),  # the file holds no more
    ],
)
def test_few_levels_are_noticed_where_a_file_has_more(values: Any, few: bool) -> None:
    deep = image_of(values)
    assert is_deep(deep)
    assert has_few_levels(grey_levels(deep, "full").convert("RGB"), deep) is few
    if few:
        assert not has_few_levels(grey_levels(deep, "minmax").convert("RGB"), deep) or (
            max(values) == 65535
        )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_8_bits_are_not_deep(mode: str) -> None:
    assert not is_deep(Image.new(mode, (1, 1)))
