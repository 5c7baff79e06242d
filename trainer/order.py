"""In which order samples are trained on: a pure function of a seed and the number of a batch.

Samples that can share a batch form a *group*: those of one dataset and one canvas shape. Each group
is an endless stream, one shuffled epoch after the other, cut into full batches. Batches of several
groups take turns in proportion to their rates. The run's batches are numbered from 0; rank r of R
takes r, r + R, r + 2R, and so on, so that every batch is trained on once, by one rank.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from ..dataset.samples import Numbers


@dataclass(frozen=True, eq=False)
class Group:
    """Samples that can share a batch.

    `samples` are their numbers, int64 [N]. `rate` is how many of them are drawn while the other
    groups draw theirs. Where a cache cannot hold all of it, `shards` are the samples' shards, and
    `window` how many of those may be shuffled together.
    """

    samples: Numbers
    rate: float
    shards: NDArray[np.int32] | None = None
    window: int = 0


@dataclass(frozen=True, eq=False)
class PlannedBatch:
    """Batch `number` of a run: the samples, int64 [B], all of one group."""

    number: int
    group: int
    samples: Numbers


def shuffled(group: Group, seed: int, epoch: int, salt: int = 0) -> Numbers:
    """The group's samples in the order of an epoch; depends on the arguments alone.

    Where the group has shards, whole shards are shuffled and taken `window` at a time, and samples
    are shuffled among those.
    """
    random = np.random.default_rng([seed, epoch, salt])
    if group.shards is None:
        return random.permutation(group.samples)
    present = np.flatnonzero(np.bincount(group.shards))
    places = np.empty(present[-1] + 1, np.min_scalar_type(len(present)))  # 16 bits sort fastest
    places[present] = random.permutation(len(present)) // group.window
    order = random.permutation(len(group.samples))
    return group.samples[order[np.argsort(places[group.shards[order]], kind="stable")]]


@dataclass
class _Stream:
    """A group's endless sequence of samples, of which the epoch in use is kept."""

    group: Group
    seed: int
    salt: int
    _epoch: int = -1
    _order: Numbers = field(default_factory=lambda: np.empty(0, np.int64))

    def read(self, start: int, count: int) -> Numbers:
        """Samples `start` to `start + count` of the sequence."""
        parts, size = [], len(self.group.samples)
        while count:
            epoch, offset = divmod(start, size)
            if epoch != self._epoch:
                self._order = shuffled(self.group, self.seed, epoch, self.salt)
                self._epoch = epoch
            part = self._order[offset : offset + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts)


def window_samples(group: Group) -> int:
    """About how many samples are shuffled together."""
    if group.shards is None:
        return len(group.samples)
    return len(group.samples) * group.window // len(np.unique(group.shards))


def batches(
    groups: Sequence[Group], batch_size: int, seed: int, first: int = 0, stride: int = 1
) -> Iterator[PlannedBatch]:
    """Batches `first`, `first + stride`, … of the run of `seed`, without end."""
    streams = [_Stream(group, seed, salt) for salt, group in enumerate(groups)]
    turns = enumerate(take_turns([group.rate for group in groups]))
    for number, (group, turn) in islice(turns, first, None, stride):
        samples = streams[group].read(turn * batch_size, batch_size)
        yield PlannedBatch(number, group, samples)


def take_turns(rates: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Which group comes next, and for the how-manieth time, counted from 0; without end.

    After any number of turns each group has had its share, to within a turn: a group waits while
    its next turn is not due to begin, and among the others that comes which has to end first.
    """
    periods = [sum(rates) / rate for rate in rates]
    waiting = [(0.0, group, 0) for group in range(len(rates))]
    ready: list[tuple[float, int, int]] = []
    for end in count(1):
        while waiting and waiting[0][0] < end:
            _, group, turn = heapq.heappop(waiting)
            heapq.heappush(ready, ((turn + 1) * periods[group], group, turn))
        due, group, turn = heapq.heappop(ready)
        heapq.heappush(waiting, (due, group, turn + 1))
        yield group, turn


def in_order(groups: Sequence[Group], batch_size: int) -> Iterator[PlannedBatch]:
    """Every sample once and unshuffled; the last batch of a group can be smaller."""
    number = 0
    for place, group in enumerate(groups):
        for start in range(0, len(group.samples), batch_size):
            yield PlannedBatch(number, place, group.samples[start : start + batch_size])
            number += 1
