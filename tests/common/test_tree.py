"""Two trees of plain data are compared key by key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.common.tree import Change, changes

ABSENT = object()
TREES = st.recursive(
    st.none() | st.integers(0, 2),
    lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


def test_a_change_is_told_by_the_keys_that_lead_to_it():
    old = {"recipe": {"fit": "cover", "panels": {"grey": {"apply": ["blur"]}}}, "version": 1}
    new = {"recipe": {"fit": "cover", "panels": {"grey": {"apply": []}}}, "version": 2}
    assert list(changes(old, new, ABSENT)) == [
        Change("recipe.panels.grey.apply", ["blur"], []),
        Change("version", 1, 2),
    ]


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        (
            ABSENT,
            [Change("a", None, ABSENT), Change("b", 1, ABSENT), Change("c", ABSENT, {"d": 1})],
        ),
        (None, [Change("b", 1, None), Change("c", None, {"d": 1})]),
    ],
    ids=["as-nothing-else", "as-none"],
)
def test_a_key_that_one_lacks_counts_as_the_caller_says(absent: Any, expected: list[Change]):
    assert list(changes({"a": None, "b": 1}, {"c": {"d": 1}}, absent)) == expected


@given(TREES, TREES)
def test_there_are_changes_exactly_where_trees_differ(old: Any, new: Any):
    assert bool(list(changes(old, new, ABSENT))) == (old != new)
    there = [(change.path, change.old, change.new) for change in changes(old, new, ABSENT)]
    back = [(change.path, change.new, change.old) for change in changes(new, old, ABSENT)]
    assert sorted(there, key=str) == sorted(back, key=str)
