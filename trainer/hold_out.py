"""Samples that are never trained on: whole sets of those that belong together, evenly spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dataset.samples import Numbers

#: Held out is one part of so many at most.
_PARTS = 10
#: Where every set is larger than that, one of them may be one part of so many.
_PARTS_FOR_ONE = 4
_NONE: Numbers = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """The samples of a dataset to train on and those to validate on, by their numbers.

    `left_out` samples in `sets` whole sets are not trained on; they are more than are validated on
    where the last set was larger than what was missing. `smallest` is the least size of a set.
    """

    training: Numbers
    held_out: Numbers
    left_out: int
    sets: int
    smallest: int

    @property
    def total(self) -> int:
        """All samples of the dataset."""
        return len(self.training) + self.left_out

    def describe(self) -> str:
        """A note of what was held out: ``held out 16 of 480 samples: 4 whole groups``."""
        if not self.left_out:
            return f"nothing is held out of {self.total} samples, {self._explain()}"
        groups = f": {self.sets} whole group{'s' * (self.sets > 1)}"
        validated = len(self.held_out)
        fewer = f", of which {validated} are validated on" if validated < self.left_out else ""
        single = self.sets == self.left_out
        return f"held out {self.left_out} of {self.total} samples{'' if single else groups}{fewer}"

    def _explain(self) -> str:
        if self.total < _PARTS:
            reason = "which are too few to spare a tenth"
        else:
            reason = (
                "as samples that share a picture or a group are held out together, and the "
                f"smallest such group has {self.smallest}"
            )
        return f"{reason}; to validate, give a dataset of other samples: --validation data/heldout"


def hold_out(sets: Numbers, count: int) -> Split:
    """Hold out whole sets of a dataset on its own: see `choose` and `leave_out`."""
    return leave_out(sets, choose(sets, count), count)


def choose(sets: Numbers, count: int, chosen: Numbers = _NONE) -> Numbers:
    """The sets to hold out so that `count` samples are, but at most a tenth, evenly spread.

    `sets` is the number of each sample's set, int64 [N]. Those in `chosen` are held out anyway, and
    only what is missing is added. Where every set is larger than a tenth, one is held out, unless
    it is more than a quarter. Nothing else has an influence.
    """
    numbers, sizes = np.unique(sets, return_counts=True)
    is_chosen = np.isin(numbers, chosen)
    before = int(sizes[is_chosen].sum())
    limit, others = len(sets) // _PARTS, np.flatnonzero(~is_chosen)
    if before >= min(count, limit):
        return _NONE
    small = others[sizes[others] <= limit - before]
    if len(small):
        return numbers[small[_fill(sizes[small], min(count, limit) - before, limit - before)]]
    single = others[sizes[others] <= len(sets) // _PARTS_FOR_ONE]
    return numbers[single[spread(len(single), 0 if before else 1)]]


def leave_out(sets: Numbers, chosen: Numbers, count: int) -> Split:
    """Leave out the `chosen` sets, of which `count` samples are validated on."""
    is_left_out = np.isin(sets, chosen)
    left_out = np.flatnonzero(is_left_out)
    return Split(
        training=np.flatnonzero(~is_left_out),
        held_out=left_out[spread(len(left_out), count)],
        left_out=len(left_out),
        sets=len(np.unique(sets[left_out])),
        smallest=int(np.unique(sets, return_counts=True)[1].min(initial=len(sets))),
    )


def spread(total: int, count: int) -> Numbers:
    """`count` of the numbers below `total`, or all: the middles of so many equal parts, int64."""
    count = min(count, total)
    return (np.arange(count) * 2 + 1) * total // max(1, 2 * count)


def _fill(sizes: Numbers, count: int, limit: int) -> Numbers:
    """As few of the sizes, evenly spread, as have `count` together, and no more than `limit`."""
    fewest, most = 0, min(count, len(sizes))
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if sizes[spread(len(sizes), middle)].sum() < count:
            fewest = middle
        else:
            most = middle
    is_too_much = sizes[spread(len(sizes), most)].sum() > limit
    return spread(len(sizes), fewest if is_too_much else most)
