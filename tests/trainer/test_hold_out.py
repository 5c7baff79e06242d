"""Whole sets are held out, evenly spread, and nothing of them is trained on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.trainer.hold_out import Split, choose, hold_out, leave_out


def hold_out_rows(total: int, count: int) -> Split:
    return hold_out(np.arange(total), count)


@given(st.integers(0, 3000), st.integers(0, 400))
def test_held_out_are_some_and_trained_on_all_others(total, count):
    split = hold_out_rows(total, count)
    training, held = split.training, split.held_out
    assert len(held) == min(count, total // 10)
    assert sorted([*training.tolist(), *held.tolist()]) == list(range(total))
    assert training.tolist() == sorted(training.tolist())
    assert held.tolist() == sorted(held.tolist())
    assert training.dtype == held.dtype == np.int64


@given(st.integers(10, 3000), st.integers(1, 400))
def test_held_out_samples_are_evenly_spread(total, count):
    held = hold_out_rows(total, count).held_out
    gaps = np.diff([-held[0] - 1, *held, 2 * total - held[-1]])  # mirrored at both ends
    assert gaps.max() - gaps.min() <= 2


@given(st.integers(10, 3000), st.integers(1, 400))
def test_samples_on_their_own_are_held_out_as_runs_have_always_done(total, count):
    count = min(count, total // 10)
    expected = (np.arange(count) * 2 + 1) * total // (2 * count)
    np.testing.assert_array_equal(hold_out_rows(total, count).held_out, expected)


def lists_of_sets(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, most), min_size=1, max_size=300)


@given(st.integers(0, 40).flatmap(lists_of_sets), st.integers(1, 64))
def test_a_set_is_held_out_whole_or_not_at_all(sets, count):
    of = np.unique(sets, return_inverse=True)[1]
    split = hold_out(of, count)
    trained, held = of[split.training], of[split.held_out]
    assert not np.isin(held, trained).any()
    assert len(split.training) + split.left_out == len(of)
    assert len(held) == min(count, split.left_out)
    assert (np.diff(split.held_out) > 0).all()
    is_one_larger = split.sets == 1 and split.left_out <= len(of) // 4
    assert split.left_out <= len(of) // 10 or is_one_larger


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_sets_of_one_size_are_held_out_until_there_are_enough(size):
    sets = np.repeat(np.arange(200), size)
    split = hold_out(sets, 16)
    assert split.sets == -(-16 // size)
    assert (len(split.held_out), split.left_out) == (16, split.sets * size)
    gaps = np.diff(np.unique(sets[split.held_out]))
    assert gaps.max() - gaps.min() <= 1


def test_a_large_set_among_small_ones_is_trained_on():
    sets = np.concatenate([np.zeros(500, int), np.arange(1, 501)])
    split = hold_out(sets, 32)
    assert split.held_out.min() >= 500
    assert len(split.held_out) == split.left_out == 32


def test_of_few_large_sets_one_is_held_out_and_some_of_it_are_validated_on():
    split = hold_out(np.arange(210) % 6, 8)
    assert (split.sets, split.left_out, len(split.held_out)) == (1, 35, 8)
    assert split.describe() == (
        "held out 35 of 210 samples: 1 whole group, of which 8 are validated on"
    )


def test_sets_that_are_held_out_anyway_count_and_only_what_is_missing_is_added():
    sets = np.repeat(np.arange(50), 4)
    before = np.array([7, 60])
    added = choose(sets, 12, before)
    assert len(added) == 2
    assert not np.isin(added, before).any()
    assert leave_out(sets, np.concatenate([before, added]), 12).left_out == 12
    assert not len(choose(sets, 4, before))


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        ([0] * 30, "the smallest such group has 30; to validate, give .*--validation data/heldout"),
        ([0, 1, 2] * 10, "share a picture or a group .* has 10;"),
        (range(9), "nothing is held out of 9 samples, which are too few to spare a tenth;"),
    ],
)
def test_where_nothing_can_be_held_out_it_is_said_why_and_what_to_do(sets, reason):
    split = hold_out(np.array(sets), 4)
    assert len(split.held_out) == split.left_out == 0
    assert re.search(reason, split.describe())


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (np.arange(480), "held out 16 of 480 samples"),
        (np.arange(480) // 4, "held out 16 of 480 samples: 4 whole groups"),
        (np.arange(480) // 6, "held out 18 of 480 samples: 3 whole groups, of which 16 are valid"),
    ],
)
def test_it_is_said_what_was_held_out(sets, expected):
    assert hold_out(sets, 16).describe().startswith(expected)


def test_millions_are_split_at_once():
    split = hold_out_rows(10_000_000, 500)
    assert (len(split.training), len(split.held_out)) == (9_999_500, 500)
