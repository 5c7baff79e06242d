"""Every sample is drawn once an epoch, by one rank, in an order that a seed and a number give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.dataset.samples import Numbers
from onepic.trainer.order import (
    Group,
    PlannedBatch,
    batches,
    in_order,
    shuffled,
    take_turns,
    window_samples,
)

Plain = tuple[int, int, list[int]]

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)
BATCH = st.integers(1, 9)
SEED = st.integers(0, 2**40)
RATES = st.lists(st.floats(0.01, 100), min_size=1, max_size=12)


def group(size: int, rate: float = 1.0, first: int = 0) -> Group:
    return Group(np.arange(first, first + size), rate)


def groups(sizes: Sequence[int]) -> list[Group]:
    """Groups of samples that no two share, drawn as often as they have samples."""
    return [group(size, size, 1000 * place) for place, size in enumerate(sizes)]


def windowed(shards: Sequence[int], window: int) -> Group:
    """A group with so many samples in each shard."""
    numbers = np.repeat(np.arange(len(shards), dtype=np.int32), shards)
    return Group(np.arange(len(numbers)), 1.0, numbers, window)


def plain(plan: Iterator[PlannedBatch], count: int) -> list[Plain]:
    return [(b.number, b.group, b.samples.tolist()) for b in islice(plan, count)]


def drawn(plan: list[Plain], place: int) -> list[int]:
    """All samples of a group in the order in which they are drawn."""
    return [sample for _, home, samples in plan if home == place for sample in samples]


@given(SIZES, BATCH, SEED, st.integers(1, 4), st.integers(1, 3))
def test_ranks_and_workers_share_the_batches_of_the_run(sizes, batch_size, seed, ranks, workers):
    whole = plain(batches(groups(sizes), batch_size, seed), 6 * ranks * workers)
    shares = [
        plain(
            batches(groups(sizes), batch_size, seed, rank + worker * ranks, ranks * workers),
            6,
        )
        for rank in range(ranks)
        for worker in range(workers)
    ]
    assert sorted(chain(*shares)) == whole


@given(SIZES, BATCH, SEED)
def test_each_sample_is_drawn_once_an_epoch(sizes, batch_size, seed):
    plan = plain(batches(groups(sizes), batch_size, seed), 4 * sum(sizes))
    for place, whole in enumerate(groups(sizes)):
        samples, size = drawn(plan, place), len(whole.samples)
        for start in range(0, len(samples) - size + 1, size):
            assert sorted(samples[start : start + size]) == whole.samples.tolist()


@given(SIZES, BATCH, SEED)
def test_every_batch_is_full_and_of_one_group(sizes, batch_size, seed):
    for number, home, samples in plain(batches(groups(sizes), batch_size, seed), 50):
        assert len(samples) == batch_size
        assert {sample // 1000 for sample in samples} == {home}, number


@given(SIZES, BATCH, SEED, st.integers(0, 100))
def test_a_run_goes_on_where_it_stopped(sizes, batch_size, seed, stop):
    whole = plain(batches(groups(sizes), batch_size, seed), stop + 10)
    assert plain(batches(groups(sizes), batch_size, seed, first=stop), 10) == whole[stop:]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 12), BATCH, SEED)
def test_a_windowed_run_goes_on_where_it_stopped(shards, window, batch_size, seed):
    whole = plain(batches([windowed(shards, window)], batch_size, seed), 30)
    assert plain(batches([windowed(shards, window)], batch_size, seed, 17), 13) == whole[17:]


@pytest.mark.parametrize("one", [group(50), windowed([5] * 10, 3)])
def test_each_seed_epoch_and_group_has_an_order_of_its_own(one):
    orders = [shuffled(one, *key) for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert len({tuple(order.tolist()) for order in orders}) == 4
    assert shuffled(one, 0, 0).tolist() == orders[0].tolist()


def test_two_epochs_of_a_run_differ():
    (_, _, first), (_, _, second) = plain(batches([group(30)], 30, seed=0), 2)
    assert first != second
    assert first != sorted(first)


def test_the_order_does_not_hang_on_the_batch_size():
    small, large = (plain(batches([group(30)], size, seed=3), 60 // size) for size in (4, 10))
    assert drawn(small, 0) == drawn(large, 0)


def test_all_orders_are_equally_likely():
    firsts = Counter(int(shuffled(group(8), seed, 0)[0]) for seed in range(800))
    assert len(firsts) == 8
    assert max(firsts.values()) < 2 * min(firsts.values())


@given(RATES)
def test_groups_have_their_share_to_within_a_turn_at_any_moment(rates):
    share, taken = np.array(rates) / sum(rates), np.zeros(len(rates))
    for number, (place, turn) in enumerate(islice(take_turns(rates), 300), 1):
        assert turn == taken[place]
        taken[place] += 1
        assert abs(taken - number * share).max() <= 1 + 1e-6


def test_many_small_groups_do_not_come_in_a_row():
    turns = [place for place, _ in islice(take_turns([100.0, *[1.0] * 10]), 110)]
    smalls = np.flatnonzero(np.array(turns))
    assert np.diff(smalls).min() > 5


def test_rates_say_which_group_is_drawn_from_not_how_large_it_is():
    plan = plain(batches([group(10, rate=3), group(1000, rate=1)], 5, seed=0), 400)
    assert Counter(home for _, home, _ in plan) == {0: 300, 1: 100}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(1, 25), SEED)
def test_only_the_shards_of_a_window_are_mixed(shards, window, seed):
    one = windowed(shards, window)
    order = shuffled(one, seed, epoch=0)
    assert sorted(order.tolist()) == one.samples.tolist()
    seen = numbers_of(one)[order].tolist()
    for done, part in windows(seen, shards, window):
        assert len(set(part)) <= window
        assert not set(part) & set(done)


def windows(
    seen: list[int], shards: Sequence[int], window: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Each window of the shards in the order seen, with what came before it."""
    start, first_seen = 0, list(dict.fromkeys(seen))
    while start < len(seen):
        # Shards of a window are mixed, so the first one of the next window ends it.
        begun = len(set(seen[:start]))
        size = sum(shards[shard] for shard in first_seen[begun : begun + window])
        yield seen[:start], seen[start : start + size]
        start += size


def numbers_of(one: Group) -> Numbers:
    assert one.shards is not None
    return one.shards


def test_samples_of_a_window_are_well_mixed():
    one = windowed([100] * 6, 3)
    seen = numbers_of(one)[shuffled(one, 0, 0)][:300]
    for part in np.split(seen, 10):
        assert len(set(part.tolist())) == 3


def test_shards_without_samples_take_no_place_in_a_window():
    one = windowed([0, 3, 0, 0, 3, 0, 3, 3, 0], 2)
    seen = numbers_of(one)[shuffled(one, 1, 0)]
    assert [len(set(part.tolist())) for part in np.split(seen, 2)] == [2, 2]


def test_about_a_window_is_shuffled_together():
    assert window_samples(windowed([4] * 10, 3)) == 12
    assert window_samples(group(40)) == 40


@given(SIZES, BATCH)
def test_in_order_gives_everything_once(sizes, batch_size):
    plan = plain(in_order(groups(sizes), batch_size), 1000)
    assert [number for number, _, _ in plan] == list(range(len(plan)))
    assert [sample for _, _, samples in plan for sample in samples] == [
        sample for whole in groups(sizes) for sample in whole.samples.tolist()
    ]
    assert all(1 <= len(samples) <= batch_size for _, _, samples in plan)
