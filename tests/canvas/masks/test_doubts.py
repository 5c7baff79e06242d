"""A mask column that is read in several ways is a doubt about the dataset as a whole."""

from onepic.canvas.findings import KINDS, Count, Finding
from onepic.canvas.masks.doubts import differing_readings


def reading(about: str) -> Finding:
    return Finding("mask-reading", about)


def test_rows_that_differ_from_most_are_counted_and_named():
    counts = {
        reading("hole: two values, 0 and 1"): Count(1, ("b",)),
        reading("hole: black and white"): Count(9, ("a", "c", "d")),
        reading("hole: two values, 0 and 2"): Count(2, ("e", "f")),
        reading("other: black and white"): Count(12, ("a", "b", "c")),
        Finding("mask-soft", "other"): Count(3, ("a",)),
    }
    about = "hole: mostly black and white; also two values, 0 and 2 and two values, 0 and 1"
    assert differing_readings(counts) == {
        Finding("mask-readings", about): Count(3, ("e", "f", "b"))
    }
    assert KINDS["mask-readings"].is_doubt


def test_a_column_may_have_any_name():
    counts = {
        reading("a: b: black and white"): Count(2, ("a",)),
        reading("a: c: two values, 0 and 1"): Count(1, ("b",)),
    }
    assert differing_readings(counts) == {}
