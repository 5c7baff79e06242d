"""Which samples belong together: those of one group, and those that share a target's picture.

Two samples belong together where their source says so, and where the picture that one is to learn
stands in the other, as its target or in its context. A picture that both have in their contexts
alone, such as a garment or a logo, ties nothing. What belongs together is a *set*.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..compiler.index import SHARED
from ..compiler.seal import checksums_of
from ..compiler.sharing import PLAIN
from .canvases import Canvases
from .order import Numbers
from .samples import read_indexes

_GROUP, _TARGET, _CONTEXT = SHARED


def read_shared(dataset: Canvases) -> pa.Table | None:
    """The columns of `sharing.Shared` of all samples; None where an index is from before them.

    Raises:
        DatasetError: when an index is missing or damaged.
    """
    info = dataset.info
    parts = read_indexes(dataset.store, info["totals"]["shards"], checksums_of(info), SHARED)
    tables = [table for _, table in parts if table.num_rows]
    if any(table.num_columns < len(SHARED) for table in tables):
        return None
    return pa.concat_tables(tables).combine_chunks()


def find_sets(shared: pa.Table) -> Numbers:
    """The set of each sample, int64 [N], numbered in the order in which they begin."""
    owners, pictures = _pictures(shared, _TARGET)
    seen_by, seen = _pictures(shared, _CONTEXT)
    known, codes = np.unique(pictures, return_inverse=True)
    is_target = np.isin(seen, known)
    others = np.searchsorted(known, seen[is_target])
    members, groups = _groups(shared)
    samples = np.concatenate([owners, seen_by[is_target], members])
    what = np.concatenate([codes, others, groups + len(known)])
    count = shared.num_rows
    size = count + len(known) + int(groups.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(samples), np.int8), (samples, what + count)), shape=(size, size))
    _, labels = connected_components(edges, directed=False)
    _, first, inverse = np.unique(labels[:count], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def count_known(shared: pa.Table, others: Sequence[pa.Table]) -> int:
    """How many samples have a target whose picture stands anywhere in samples of `others`."""
    owners, pictures = _pictures(shared, _TARGET)
    known = [_pictures(other, name)[1] for other in others for name in (_TARGET, _CONTEXT)]
    return len(np.unique(owners[np.isin(pictures, np.concatenate(known))]))


def _pictures(shared: pa.Table, name: str) -> tuple[Numbers, NDArray[np.int64]]:
    """The samples that have pictures, and which; plain ones are left out."""
    column = shared[name].combine_chunks()
    lengths = np.asarray(column.value_lengths().fill_null(0))
    owners = np.repeat(np.arange(len(column)), lengths)
    pictures = np.asarray(column.flatten())
    return owners[pictures != PLAIN], pictures[pictures != PLAIN]


def _groups(shared: pa.Table) -> tuple[Numbers, NDArray[np.int64]]:
    """The samples that declare a group, and the numbers of their groups."""
    codes = shared[_GROUP].combine_chunks().dictionary_encode().indices
    members = np.flatnonzero(np.asarray(codes.is_valid()))
    return members, np.asarray(codes.drop_null(), dtype=np.int64)
