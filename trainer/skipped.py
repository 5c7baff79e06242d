"""Samples that are not trained on: found by their keys, and what comes in their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from ..common.errors import SettingsError
from ..dataset.names import shard_name
from ..dataset.samples import Numbers, SampleTable
from ..dataset.stores.revision import without_commit
from .canvases import Canvases


@dataclass(frozen=True)
class Label:
    """A sample as `skip_samples` names it: its key, with several datasets behind its dataset."""

    key: str
    dataset: str | None = None

    @classmethod
    def parse(cls, text: str) -> Label:
        """Read ``000000003`` or ``data/a:000000003``."""
        dataset, _, key = text.rpartition(":")
        return cls(key.strip(), dataset.strip().rstrip("/") or None)

    def __str__(self) -> str:
        return self.key if self.dataset is None else f"{self.dataset}:{self.key}"

    def is_of(self, dataset: Canvases) -> bool:
        """Whether it can be of a dataset by its name."""
        return self.dataset in (None, *_names_of(dataset))


def label_of(dataset: Canvases, key: str, several: bool) -> str:
    """How `skip_samples` names a sample, where the run has `several` datasets or one."""
    return str(Label(key, _names_of(dataset)[-1] if several else None))


def find_skipped(
    datasets: Sequence[Canvases], wanted: Iterable[str], validation: Sequence[Canvases] = ()
) -> list[Numbers]:
    """The numbers of the samples that `skip_samples` names, sorted, for each dataset.

    First those of `datasets`, then those of `validation`, whose samples are named with their
    dataset always.

    Raises:
        SettingsError: naming one that is in no dataset, or in several that it does not tell apart.
    """
    labels = [Label.parse(text) for text in wanted]
    found: list[set[int]] = [set() for _ in (*datasets, *validation)]
    homes: dict[Label, str] = {}
    for place, dataset in enumerate((*datasets, *validation)):
        numbers, is_trained = found[place], place < len(datasets)
        mine = [label for label in labels if label.is_of(dataset) and (is_trained or label.dataset)]
        places = dict(_find(dataset, {label.key for label in mine}))
        for label in (label for label in mine if label.key in places):
            if label.dataset is None and homes.get(label, dataset.name) != dataset.name:
                raise _explain_twice(label, homes[label], dataset.name)
            homes[label] = dataset.name
            numbers.add(places[label.key])
    if missing := [label for label in labels if label not in homes]:
        raise _explain_missing(missing[0], (*datasets, *validation))
    return [np.array(sorted(numbers), np.int64) for numbers in found]


def stand_ins(table: SampleTable, part: Numbers, skipped: Numbers) -> dict[int, int]:
    """For each skipped sample of a part the next one of its shape that is not, which replaces it.

    The order of all others stays what it is without them.

    Raises:
        SettingsError: when no sample of a shape is left.
    """
    found = {}
    for sample in np.intersect1d(part, skipped).tolist():
        alike = part[table.shape[part] == table.shape[sample]]
        kept = np.setdiff1d(alike, skipped)
        if not len(kept):
            raise SettingsError("skip_samples: no sample of one shape is left to train on")
        found[sample] = int(kept[np.searchsorted(kept, sample) % len(kept)])
    return found


def replaced(samples: Numbers, others: dict[int, int]) -> Numbers:
    """Samples of a batch, with others in the places of those that are skipped."""
    if not any(sample in others for sample in samples.tolist()):
        return samples
    return np.array([others.get(sample, sample) for sample in samples.tolist()], np.int64)


def _names_of(dataset: Canvases) -> tuple[str, ...]:
    """What messages and users call it, the shortest name last."""
    return dataset.name.rstrip("/"), without_commit(dataset.name).rstrip("/")


def _find(dataset: Canvases, keys: set[str]) -> Iterator[tuple[str, int]]:
    """Those of the keys that a dataset has, with the samples' numbers."""
    table, left = dataset.samples, set(keys)
    for shard, first in zip(*np.unique(table.shard, return_index=True), strict=True):
        if not left:
            return
        index = dataset.store.metadata(shard_name(int(shard), ".parquet"))
        for row, key in enumerate(pq.read_table(index, columns=["key"])["key"].to_pylist()):
            if key in left:
                left.discard(key)
                yield key, int(first) + row


def _explain_missing(label: Label, datasets: Sequence[Canvases]) -> SettingsError:
    names = ", ".join(_names_of(dataset)[-1] for dataset in datasets)
    return SettingsError(
        f"skip_samples: no sample {str(label)!r} in {names}; give a sample's key as messages name "
        "it, such as '000000003', with several datasets 'DATASET:000000003'"
    )


def _explain_twice(label: Label, first: str, second: str) -> SettingsError:
    return SettingsError(
        f"skip_samples: {str(label)!r} is in {first} and in {second}; say of which dataset it is: "
        f"'{first}:{label}'"
    )
