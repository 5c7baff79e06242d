"""Rows that teach the same picture are found over all shards, but for those of one group."""

from __future__ import annotations

import pyarrow as pa

from onepic.canvas.findings import Count, Finding
from onepic.dataset.repeats import find_repeats

SCHEMA = pa.schema(
    [("source", pa.string()), ("group", pa.string()), ("target_images", pa.list_(pa.int64()))]
)


def index(*rows: tuple[str, str | None, list[int]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    arrays = [list(column) for column in columns]
    return pa.table(arrays, schema=SCHEMA)


def repeats(*tables: pa.Table) -> list[Count]:
    counts = find_repeats(tables)
    assert set(counts) <= {Finding("repeated-target", "equal pixels")}
    return list(counts.values())


def test_distinct_targets_are_passed_in_silence():
    assert repeats(index(("a", None, [1, 9]), ("b", None, [2, 9])), index(("c", None, [3]))) == []


def test_a_target_is_found_in_another_shard():
    first = index(("a", None, [5, 70]), ("b", None, [6, 71]))
    second = index(("c", None, [7]), ("d", None, [5]), ("e", None, [-8]))
    assert repeats(first, second) == [Count(2, ("a", "d"))]


def test_all_rows_are_counted_and_three_are_named():
    rows = [(f"row {number}", None, [4]) for number in range(6)]
    assert repeats(index(*rows)) == [Count(6, ("row 0", "row 1", "row 2"))]


def test_rows_of_one_group_may_share_a_target():
    shared = index(("a", "dog", [5]), ("b", "dog", [5]), ("c", "cat", [6]), ("d", "cat", [6]))
    assert repeats(shared) == []
    assert repeats(shared, index(("e", "cat", [5]))) == [Count(3, ("a", "b", "e"))]
    assert repeats(shared, index(("e", None, [6]))) == [Count(3, ("c", "d", "e"))]


def test_pictures_of_one_colour_and_rows_without_any_are_not_compared():
    assert repeats(index(("a", None, [0]), ("b", None, [0]), ("c", None, []))) == []


def test_indexes_without_the_numbers_of_pictures_are_passed_over():
    old = pa.table({"source": ["a", "b"]})
    assert repeats(old) == []
    assert repeats(old, index(("c", None, [1]), ("d", None, [1]))) == [Count(2, ("c", "d"))]
    assert repeats() == []
    assert repeats(index()) == []
