"""Figures are those of all values, however they came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onepic.compiler.inspection.statistics import REACH, LatentTally, spread_of

LATENTS = arrays(np.float16, (2, 3, 5), elements=st.floats(-60000, 60000, width=16))


@given(parts=st.lists(LATENTS, min_size=1, max_size=4))
@settings(max_examples=30)
def test_latents_added_one_by_one_are_as_all_at_once(parts):
    tally, values = LatentTally(2), np.stack(parts).astype(float)
    assert all(tally.add(part) for part in parts)
    for number in range(2):
        channel, of_channel = tally.channel(number), values[:, number]
        rounding = 1e-3 + float(np.abs(of_channel).max()) / 1e6
        assert channel.mean == pytest.approx(of_channel.mean(), rel=1e-6, abs=rounding)
        assert channel.deviation == pytest.approx(of_channel.std(), rel=1e-4, abs=rounding)
        assert (channel.least, channel.greatest) == (of_channel.min(), of_channel.max())


@given(values=arrays(np.int64, (2, 15), elements=st.integers(-99, 99)))
def test_every_value_is_counted_in_its_bin_or_at_the_end(values):
    tally = LatentTally(2)
    tally.add((values / 8).astype(np.float16))
    for number in range(2):
        histogram = tally.channel(number).histogram
        assert sum(histogram.counts) == 15
        below_zero = int((values[number] < 0).sum())
        assert sum(histogram.counts[: len(histogram.counts) // 2]) == below_zero
    assert (histogram.edges[0], histogram.edges[-1]) == (-REACH, REACH)


def test_only_finite_values_count():
    tally = LatentTally(1)
    assert not tally.add(np.array([[[1, np.nan, 3, -np.inf]]], np.float16))
    channel = tally.channel(0)
    assert (channel.mean, channel.deviation, channel.least, channel.greatest) == (2, 1, 1, 3)


@given(values=st.lists(st.integers(0, 20_000), min_size=1))
def test_a_spread_has_every_number_in_a_bin(values):
    spread = spread_of(values)
    assert (spread.least, spread.greatest) == (min(values), max(values))
    assert spread.mean == pytest.approx(np.mean(values))
    assert spread.median == np.median(values)
    assert sum(spread.histogram.counts) == len(values)
    assert len(spread.histogram.counts) <= 24
    assert len({round(step, 6) for step in np.diff(spread.histogram.edges)}) == 1


def test_there_is_no_spread_of_nothing():
    assert spread_of([]) is None
