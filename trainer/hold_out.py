"""Samples that are never trained on: whole sets of those that belong together, evenly spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .order import Numbers

#: Held out is one part of so many at most.
_PARTS = 10
#: Where every set is larger than that, one of them may be one part of so many.
_PARTS_FOR_ONE = 4


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
        """What was held out: ``held out 16 of 480 samples: 4 whole groups``."""
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
    """Hold out whole sets until `count` samples are, but at most a tenth, evenly spread.

    `sets` is the number of each sample's set, int64 [N]; nothing else has an influence. Where every
    set is larger than a tenth, one is held out, unless it is more than a quarter.
    """
    total, sizes = len(sets), np.bincount(sets)
    chosen = np.zeros(len(sizes), bool)
    chosen[_choose(sizes, total, min(count, total // _PARTS))] = True
    is_left_out = chosen[sets]
    left_out = np.flatnonzero(is_left_out)
    held_out = left_out[spread(len(left_out), count)]
    smallest = int(sizes.min(initial=total))
    return Split(np.flatnonzero(~is_left_out), held_out, len(left_out), int(chosen.sum()), smallest)


def spread(total: int, count: int) -> Numbers:
    """`count` of the numbers below `total`, or all: the middles of so many equal parts, int64."""
    count = min(count, total)
    return (np.arange(count) * 2 + 1) * total // max(1, 2 * count)


def _choose(sizes: Numbers, total: int, count: int) -> Numbers:
    """The sets to hold out so that `count` samples are, of sets with these sizes."""
    small = np.flatnonzero(sizes <= total // _PARTS)
    if not count:
        return small[:0]
    if not len(small):
        single = np.flatnonzero(sizes <= total // _PARTS_FOR_ONE)
        return single[spread(len(single), 1)]

    def some(number: int) -> Numbers:
        return small[spread(len(small), number)]

    fewest, most = 0, min(count, len(small))
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if sizes[some(middle)].sum() < count:
            fewest = middle
        else:
            most = middle
    is_too_much = sizes[some(most)].sum() > total // _PARTS
    return some(fewest if is_too_much else most)
