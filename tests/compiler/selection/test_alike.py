"""The search for alike hashes finds what comparing all pairs would, for whatever hashes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.compiler.selection.alike import earliest_alike, first_alike
from onepic.compiler.selection.filters import MOST_BITS

HASH = st.integers(0, 2**64 - 1)
DISTANCE = st.integers(0, MOST_BITS)


def array(hashes: list[int]) -> np.ndarray:
    return np.array(hashes, np.uint64)


def one_by_one(hashes: list[int], distance: int) -> list[int]:
    """The same by going through all rows, and for each through all that are kept."""
    kept: list[int] = []
    found = []
    for number, one in enumerate(hashes):
        alike = [k for k in kept if (hashes[k] ^ one).bit_count() <= distance]
        found.append(alike[0] if alike else -1)
        if not alike:
            kept.append(number)
    return found


@st.composite
def families(draw: st.DrawFn) -> list[int]:
    """Hashes of which many are some bits away from another."""
    roots = draw(st.lists(HASH, min_size=1, max_size=5))
    flips = st.lists(st.integers(0, 63), max_size=12)
    members = draw(st.lists(st.tuples(st.sampled_from(roots), flips), max_size=60))
    return [root ^ sum(1 << bit for bit in set(bits)) for root, bits in members]


@given(families(), DISTANCE)
def test_it_finds_what_comparing_all_pairs_finds(hashes, distance):
    assert first_alike(array(hashes), distance).tolist() == one_by_one(hashes, distance)


@pytest.mark.parametrize("distance", [0, 1, 4, MOST_BITS])
def test_it_does_so_for_many_hashes_in_chains_and_crowds(distance):
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**64, 200, np.uint64)[rng.integers(0, 200, 1800)]
    for _ in range(distance):
        bits = np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
        hashes = np.where(rng.random(len(hashes)) < 0.6, hashes ^ bits, hashes)
    assert first_alike(hashes, distance).tolist() == one_by_one(hashes.tolist(), distance)


@given(st.lists(HASH, max_size=40), st.lists(HASH, max_size=40), DISTANCE)
def test_of_several_the_earliest_is_named(kept, hashes, distance):
    kept = kept + [one ^ 1 for one in hashes[::2]] + hashes[::3]
    expected = [
        next((n for n, other in enumerate(kept) if (one ^ other).bit_count() <= distance), -1)
        for one in hashes
    ]
    assert earliest_alike(array(kept), array(hashes), distance).tolist() == expected


def test_a_row_that_resembles_only_a_dropped_one_is_kept():
    assert first_alike(array([0b00, 0b01, 0b11]), 1).tolist() == [-1, 0, -1]


def test_a_hundred_thousand_equal_hashes_cost_no_more_than_others():
    assert first_alike(np.zeros(100_000, np.uint64), 4).tolist() == [-1] + [0] * 99_999


def test_of_no_hashes_there_is_nothing_to_find():
    assert first_alike(array([]), 4).tolist() == []
