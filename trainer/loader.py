"""Batches of canvases from compiled datasets, assembled in threads, in an order to resume in."""

from __future__ import annotations

import resource
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..dataset.names import SHARD_FILES
from ..dataset.reader import Arrays, ShardReader
from ..dataset.samples import Numbers, sample_key
from .canvases import Canvases
from .fetch_ahead import fetch_ahead, window_of
from .order import Group, PlannedBatch, batches, in_order, window_samples
from .skipped import label_of, replaced, stand_ins

#: Batches that are assembled ahead of the one in use.
AHEAD = 4
#: Batches that remote shards are fetched ahead at most.
FAR_AHEAD = 1000
#: File descriptors that are left to everything else, and loaders that share the others: one for
#: training and one for validation.
_OTHER_FILES = 256
_LOADERS = 2


@dataclass(frozen=True)
class Batch:
    """B canvases of one shape, as the network takes them.

    `latents` float16 [B, C, H, W], scaled; `mask` uint8 [B, 1, H, W], 1 = target; `texts`, [B, ...]
    by name, the prompts' embeddings, some of them replaced by the empty prompt's; `conditions`,
    float32 [B, ...] by name, what the network is told besides. `number` counts the batches of the
    run, `samples` are numbers in dataset `dataset`.
    """

    number: int
    dataset: int
    samples: Numbers
    latents: Tensor
    mask: Tensor
    texts: dict[str, Tensor]
    conditions: dict[str, Tensor]

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device; from pinned memory the copy does not wait."""
        return replace(
            self,
            latents=self.latents.to(device, non_blocking=True),
            mask=self.mask.to(device, non_blocking=True),
            texts=_moved(self.texts, device),
            conditions=_moved(self.conditions, device),
        )


def _moved(tensors: Mapping[str, Tensor], device: torch.device | str) -> dict[str, Tensor]:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}


class CanvasLoader(IterableDataset[Batch]):
    """An endless stream of shuffled batches, or with `once` every sample a single time, in order.

    Rank `rank` of `ranks` gets every `ranks`-th batch, beginning with its `first`-th; the order
    depends on the datasets, `batch_size`, `seed` and `ranks` alone, and where a remote dataset is
    larger than its share of the cache, on that. In the workers of a
    `torch.utils.data.DataLoader` (with ``batch_size=None``) each takes its part, and the order
    stays. `weights` says how often each dataset is drawn from, compared with the others; by default
    as often as it has samples. `parts` narrows the datasets to some of their samples. For those of
    each dataset that are `skipped` the next of their shape come in their places.
    """

    def __init__(
        self,
        datasets: Sequence[Canvases],
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        first: int = 0,
        weights: Sequence[float] | None = None,
        parts: Sequence[Numbers] | None = None,
        skipped: Sequence[Numbers] | None = None,
        prompt_dropout: float = 0.0,
        context_dropout: float = 0.0,
        once: bool = False,
        prompts: bool = True,
        pin: bool = False,
        threads: int = 2,
    ) -> None:
        self._datasets, self._batch_size, self._seed = datasets, batch_size, seed
        self._rank, self._ranks, self._first, self._once = rank, ranks, first, once
        self._prompt_dropout, self._context_dropout = prompt_dropout, context_dropout
        self._prompts, self._pin = prompts, pin
        self._threads = threads
        chosen = parts or [np.arange(len(dataset)) for dataset in datasets]
        self.samples = sum(map(len, chosen))
        self._windows = [window_of(dataset, len(datasets)) for dataset in datasets]
        none: Sequence[Numbers] = [np.empty(0, np.int64)] * len(datasets)
        self._stand_ins = [
            stand_ins(dataset.samples, part, some)
            for dataset, part, some in zip(datasets, chosen, skipped or none, strict=True)
        ]
        self._groups, self._homes = _make_groups(datasets, chosen, weights, self._windows)

    @property
    def is_remote(self) -> bool:
        """Whether shards have to be fetched for it."""
        return any(dataset.store.capacity is not None for dataset in self._datasets)

    @property
    def batches_per_epoch(self) -> float:
        """Batches, over all ranks, in which every sample has been drawn once on average."""
        return self.samples / self._batch_size

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def batches(self) -> Generator[Batch]:
        """Yield the batches of an iteration; closing the generator ends its threads and files."""
        with (
            closing(self._plan()) as plan,
            closing(_Readers(self._new_reader)) as readers,
            ThreadPoolExecutor(self._threads) as pool,
        ):
            try:
                yield from _ahead(pool.submit(self._assemble, planned, readers) for planned in plan)
            finally:
                pool.shutdown(cancel_futures=True)

    def names(self, dataset: int, samples: Numbers) -> list[str]:
        """Names of samples, for messages: ``data/a: 000000003 (photos/cat.jpg)``."""
        name, keys = self._datasets[dataset].name, self._keys(dataset, samples)
        return [f"{name}: {key} ({source})" for key, source in keys]

    def labels(self, dataset: int, samples: Numbers, is_full: bool = False) -> list[str]:
        """Names of samples in the setting `skip_samples`; `is_full` names their dataset, too."""
        home, several = self._datasets[dataset], is_full or len(self._datasets) > 1
        return [label_of(home, key, several) for key, _ in self._keys(dataset, samples)]

    def _keys(self, dataset: int, samples: Numbers) -> list[tuple[str, str]]:
        home = self._datasets[dataset]
        return [sample_key(home.store, home.samples, number) for number in samples.tolist()]

    def _plan(self) -> Generator[PlannedBatch]:
        """The batches of this rank and, in a DataLoader's worker, of this worker."""
        worker = get_worker_info()
        part, parts = (worker.id, worker.num_workers) if worker else (0, 1)
        first, stride = self._rank + (self._first + part) * self._ranks, self._ranks * parts
        plan: Iterator[PlannedBatch]
        if self._once:
            plan = islice(in_order(self._groups, self._batch_size), first, None, stride)
        else:
            plan = batches(self._groups, self._batch_size, self._seed, first, stride)
        if any(self._stand_ins):
            plan = map(self._without_skipped, plan)
        if self.is_remote:
            plan = fetch_ahead(plan, self._datasets, self._homes, self._distance(stride))
        yield from plan

    def _without_skipped(self, planned: PlannedBatch) -> PlannedBatch:
        others = self._stand_ins[self._homes[planned.group]]
        return replace(planned, samples=replaced(planned.samples, others))

    def _distance(self, stride: int) -> int:
        """Batches to fetch ahead: no group draws more than a window meanwhile, as the cache allows.

        Drawn `once`, groups come one after the other instead of taking turns.
        """
        total = sum(group.rate for group in self._groups)
        windows = (
            window_samples(group) * (1 if self._once else total / group.rate)
            for group in self._groups
            if group.shards is not None
        )
        drawn = self._batch_size * stride
        return min([FAR_AHEAD, *(int(samples / drawn) for samples in windows)])

    def _assemble(self, planned: PlannedBatch, readers: _Readers) -> Batch:
        place = self._homes[planned.group]
        dataset, table = self._datasets[place], self._datasets[place].samples
        size = len(planned.samples)
        channels, height, width = table.shapes[table.shape[planned.samples[0]]]
        latents = self._empty((size, channels, height, width), torch.float16)
        mask = self._empty((size, 1, height, width), torch.uint8)
        prompt = dataset.empty_prompt if self._prompts else {}
        texts = {
            name: self._empty((size, *array.shape), torch.from_numpy(array).dtype)
            for name, array in prompt.items()
        }
        arrays = Arrays(latents.numpy(), mask.numpy(), {n: t.numpy() for n, t in texts.items()})
        found = readers.of(place).read(planned.samples, arrays)
        self._drop_prompts(planned.number, dataset, arrays)
        self._drop_contexts(planned.number, arrays)
        conditions = self._conditions(dataset, found)
        return Batch(planned.number, place, planned.samples, latents, mask, texts, conditions)

    def _conditions(
        self, dataset: Canvases, samples: Sequence[Mapping[str, Any]]
    ) -> dict[str, Tensor]:
        """What the network is told of samples, by their JSON."""
        fit, conditions = dataset.info.recipe["fit"], dataset.backbone.conditions
        tensors = {}
        for name, array in conditions(samples, fit).items():
            tensors[name] = self._empty(array.shape, torch.float32)
            tensors[name].numpy()[:] = array
        return tensors

    def _drop_prompts(self, number: int, dataset: Canvases, arrays: Arrays) -> None:
        """Put the empty prompt in place of some, for classifier-free guidance."""
        for row in self._dropped(number, 1, len(arrays.latents), self._prompt_dropout):
            for name, array in arrays.texts.items():
                array[row] = dataset.empty_prompt[name]

    def _drop_contexts(self, number: int, arrays: Arrays) -> None:
        """Put zeros in place of some contexts, for guidance by images."""
        for row in self._dropped(number, 2, len(arrays.latents), self._context_dropout):
            arrays.latents[row] *= arrays.mask[row]

    def _dropped(self, number: int, what: int, count: int, share: float) -> list[int]:
        """The rows of batch `number` that go without; each `what` draws numbers of its own."""
        if not share:
            return []
        random = np.random.default_rng([self._seed, number, what])
        return [int(row) for row in np.flatnonzero(random.random(count) < share)]

    def _empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, pin_memory=self._pin and get_worker_info() is None)

    def _new_reader(self, place: int) -> ShardReader:
        dataset, window = self._datasets[place], self._windows[place]
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = (soft - _OTHER_FILES) // (_LOADERS * self._threads * len(self._datasets))
        if window is not None:  # a file that the cache deletes takes its space until it is closed
            files = min(files, window * len(SHARD_FILES))
        return ShardReader(dataset.store, dataset.samples, files)


class _Readers:
    """The readers of one iteration: each thread has its own of each dataset."""

    def __init__(self, make: Callable[[int], ShardReader]) -> None:
        self._make = make
        self._readers: dict[tuple[int, int], ShardReader] = {}

    def of(self, place: int) -> ShardReader:
        """This thread's reader of dataset `place`."""
        mine = threading.get_ident(), place
        if mine not in self._readers:
            self._readers[mine] = self._make(place)
        return self._readers[mine]

    def close(self) -> None:
        """Close all files."""
        for reader in self._readers.values():
            reader.close()


def _ahead(tasks: Iterable[Future[Batch]]) -> Iterator[Batch]:
    """The results in order, with `AHEAD` tasks begun before the one that is waited for."""
    begun: deque[Future[Batch]] = deque()
    for task in tasks:
        begun.append(task)
        if len(begun) > AHEAD:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _make_groups(
    datasets: Sequence[Canvases],
    parts: Sequence[Numbers],
    weights: Sequence[float] | None,
    windows: Sequence[int | None],
) -> tuple[list[Group], list[int]]:
    """The samples of each dataset and shape, and the dataset that each group is of."""
    groups, homes = [], []
    for place, (dataset, part) in enumerate(zip(datasets, parts, strict=True)):
        weight = len(part) if weights is None else weights[place]
        table, window = dataset.samples, windows[place]
        shapes = np.unique(table.shape[part]).tolist()
        for shape in shapes:
            samples = part[table.shape[part] == shape]
            rate = weight * len(samples) / len(part)
            shards = None if window is None else table.shard[samples]
            groups.append(Group(samples, rate, shards, max(1, (window or 0) // len(shapes))))
            homes.append(place)
    return groups, homes
