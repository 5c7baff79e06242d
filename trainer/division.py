"""Which samples a run trains on, and which it validates on: held-out ones, or other datasets'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..dataset.samples import Numbers
from .canvases import Canvases
from .hold_out import choose, leave_out, spread
from .links import count_known, find_sets, nothing_shared, read_shared

#: How a dataset is divided: by sets of samples that belong together, or sample by sample.
GROUPS, ROWS = "groups", "rows"

_UNKNOWN = "its indexes are from before they said which samples share a picture"
_ANEW = "compile it anew, into another folder, to know"


@dataclass(frozen=True, eq=False)
class Division:
    """Division of datasets into samples to train on and samples to validate on.

    `training` are the numbers of the samples for each training dataset, `rules` how each was
    divided. `held_out` are the samples of each dataset of `validation`, and `sets` the sets that
    those are of. `notes` say what was decided.
    """

    training: tuple[Numbers, ...]
    rules: tuple[str, ...]
    validation: tuple[Canvases, ...]
    held_out: tuple[Numbers, ...]
    sets: tuple[Numbers, ...]
    notes: tuple[str, ...]

    def without(self, skipped: Sequence[Numbers]) -> Division:
        """The same, but validating on none of the samples `skipped` of each of `validation`."""
        pairs = zip(self.held_out, skipped, strict=True)
        kept = [~np.isin(held_out, samples) for held_out, samples in pairs]
        held_out, sets = (
            tuple(part[of] for part, of in zip(parts, kept, strict=True))
            for parts in (self.held_out, self.sets)
        )
        return replace(self, held_out=held_out, sets=sets)


def divide(datasets: Sequence[Canvases], count: int, rules: Sequence[str] = ()) -> Division:
    """Hold out about `count` samples of each dataset, in whole sets where its indexes tell them.

    What is held out of one dataset is not trained on in another one either. `rules` are those by
    which an earlier part of the run divided the datasets; they are divided alike.

    Raises:
        DatasetError: when an index is missing or damaged.
    """
    tables, used, notes = [], [], []
    for place, dataset in enumerate(datasets):
        by_rows = not count or ROWS in rules[place : place + 1]
        shared = None if by_rows else read_shared(dataset)
        if shared is None and not by_rows:
            notes.append(f"{dataset.name}: {_UNKNOWN}: single samples are held out; {_ANEW}")
        used.append(ROWS if shared is None else GROUPS)
        tables.append(nothing_shared(len(dataset)) if shared is None else shared)
    sets = find_sets(tables)
    chosen = np.empty(0, np.int64)
    for of in sets:
        chosen = np.concatenate([chosen, choose(of, count, chosen)])
    splits = [leave_out(of, chosen, count) for of in sets]
    if count:
        named = zip(datasets, splits, strict=True)
        notes += [f"{dataset.name}: {parts.describe()}" for dataset, parts in named]
    return Division(
        training=tuple(parts.training for parts in splits),
        rules=tuple(used),
        validation=tuple(datasets),
        held_out=tuple(parts.held_out for parts in splits),
        sets=tuple(of[parts.held_out] for of, parts in zip(sets, splits, strict=True)),
        notes=tuple(notes),
    )


def validate_on(
    validation: Sequence[Canvases], datasets: Sequence[Canvases], count: int
) -> Division:
    """Train on all samples of `datasets`, and validate on up to `count` of each of `validation`.

    Raises:
        DatasetError: when an index is missing or damaged.
    """
    trained = [read_shared(dataset) for dataset in datasets]
    held_out, sets, notes = [], [], []
    for dataset in validation:
        chosen = spread(len(dataset), count)
        shared = read_shared(dataset)
        notes.append(f"{dataset.name}: validating on {len(chosen)} of {len(dataset)} samples")
        known = [table for table in trained if table is not None]
        if shared is None:
            notes.append(f"{dataset.name}: {_UNKNOWN} with those that are trained on; {_ANEW}")
        elif repeated := count_known(shared.take(chosen), known):
            notes.append(
                f"{dataset.name}: {repeated} of these have a target that is trained on, too, and "
                "their loss says little; validate on samples of other pictures"
            )
        held_out.append(chosen)
        sets.append(chosen if shared is None else find_sets([shared])[0][chosen])
    notes += [
        f"{dataset.name}: {_UNKNOWN} with those that are validated on; {_ANEW}"
        for dataset, table in zip(datasets, trained, strict=True)
        if table is None
    ]
    return Division(
        training=tuple(np.arange(len(dataset)) for dataset in datasets),
        rules=(ROWS,) * len(datasets),
        validation=tuple(validation),
        held_out=tuple(held_out),
        sets=tuple(sets),
        notes=tuple(notes),
    )
