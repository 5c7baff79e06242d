"""Fetching the shards of remote datasets before their samples' turn comes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np

from ..common.errors import DatasetError
from ..dataset.names import SHARD_FILES
from .canvases import Canvases
from .order import PlannedBatch

_FETCHERS = 4


def window_of(dataset: Canvases, datasets: int) -> int | None:
    """Shards of a remote dataset that are shuffled together; None where all can be.

    The cache's share of one of so many datasets holds three windows: the one that samples are drawn
    from, the one that is being fetched, and one to spare.
    """
    capacity = dataset.store.capacity
    if capacity is None:
        return None
    sizes = [sum(record.size for record in files.values()) for files in dataset.samples.files]
    if sum(sizes) <= capacity // datasets:
        return None
    return max(1, capacity // datasets // 3 // max(sizes))


def fetch_ahead(
    plan: Iterator[PlannedBatch],
    datasets: Sequence[Canvases],
    homes: Sequence[int],
    distance: int,
) -> Iterator[PlannedBatch]:
    """The plan as it is, with the remote shards of the batch `distance` further on being fetched.

    `homes` gives the dataset of each group of the plan.
    """
    remote = [dataset.store.capacity is not None for dataset in datasets]
    asked: dict[tuple[int, int], int] = {}
    waiting: deque[PlannedBatch] = deque()
    with ThreadPoolExecutor(_FETCHERS) as pool:
        try:
            for turn, batch in enumerate(plan):
                home = homes[batch.group]
                used = datasets[home].samples.shard[batch.samples] if remote[home] else ()
                for shard in np.unique(used).tolist():
                    if turn - asked.get((home, shard), -distance - 1) > distance:
                        asked[home, shard] = turn
                        pool.submit(_fetch, datasets[home], shard)
                waiting.append(batch)
                if len(waiting) > distance:
                    yield waiting.popleft()
            yield from waiting
        finally:
            pool.shutdown(cancel_futures=True)


def _fetch(dataset: Canvases, shard: int) -> None:
    # What goes wrong here goes wrong again for the reader, which has somebody to tell.
    with suppress(DatasetError):
        for name, record in dataset.samples.files[shard].items():
            os.close(dataset.store.open_shard(shard, SHARD_FILES[name], record))
