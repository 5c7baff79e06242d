"""Which samples belong together: those of one group, and those that share a target's picture.

Two samples belong together where their source says so, and where the picture that one is to learn
stands in the other, as its target or in its context. A picture that both have in their contexts
alone, such as a garment or a logo, ties nothing. What belongs together is a *set*.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..canvas.sharing import PLAIN
from ..dataset.index import SCHEMA, SHARED
from ..dataset.samples import Numbers, read_indexes
from .canvases import Canvases

_GROUP, _TARGET, _CONTEXT = SHARED


def read_shared(dataset: Canvases) -> pa.Table | None:
    """The columns of `sharing.Shared` of all samples; None where an index is from before them.

    Raises:
        DatasetError: when an index is missing or damaged.
    """
    info = dataset.info
    parts = read_indexes(dataset.store, info.totals.shards, info.checksums, SHARED)
    tables = [table for _, table in parts if table.num_rows]
    if any(table.num_columns < len(SHARED) for table in tables):
        return None
    return pa.concat_tables(tables).combine_chunks()


def nothing_shared(count: int) -> pa.Table:
    """What `count` samples share of which nothing is known."""
    schema = pa.schema([SCHEMA.field(name) for name in SHARED])
    return pa.table([pa.nulls(count, field.type) for field in schema], schema=schema)


def find_sets(several: Sequence[pa.Table]) -> list[Numbers]:
    """The set of each sample of several datasets, int64 [N] each.

    Sets are numbered through all datasets, in the order in which they begin. Pictures tie samples
    of different datasets, too; groups have names in their own dataset only.
    """
    groups = (
        pc.binary_join_element_wise(str(place), table[_GROUP], " ")
        for place, table in enumerate(several)
    )
    tables = [
        table.set_column(table.column_names.index(_GROUP), _GROUP, group)
        for table, group in zip(several, groups, strict=True)
    ]
    found = _find_sets(pa.concat_tables(tables).combine_chunks())
    return np.split(found, np.cumsum([table.num_rows for table in several])[:-1])


def _find_sets(shared: pa.Table) -> Numbers:
    learners, learned = _pictures(shared, _TARGET)
    viewers, viewed = _pictures(shared, _CONTEXT)
    members, groups = _groups(shared)
    targets = learned.dictionary_encode()
    known = pc.index_in(viewed, value_set=targets.dictionary)
    is_known = np.asarray(known.is_valid())
    ties = np.concatenate(
        [
            np.asarray(targets.indices),
            np.asarray(known.drop_null()),
            np.asarray(groups.indices) + len(targets.dictionary),
        ]
    )
    samples = np.concatenate([learners, viewers[is_known], members])
    count, all_ties = shared.num_rows, len(targets.dictionary) + len(groups.dictionary)
    graph = coo_array(
        (np.ones(len(ties), np.int8), (samples, ties + count)), shape=(count + all_ties,) * 2
    )
    _, labels = connected_components(graph, directed=False)
    return np.asarray(pa.array(labels[:count]).dictionary_encode().indices, dtype=np.int64)


def count_known(shared: pa.Table, others: Sequence[pa.Table]) -> int:
    """How many samples have a target whose picture stands anywhere in samples of `others`."""
    learners, learned = _pictures(shared, _TARGET)
    known = [_pictures(other, name)[1] for other in others for name in (_TARGET, _CONTEXT)]
    is_known = pc.is_in(learned, value_set=pa.concat_arrays([learned[:0], *known]))
    return len(set(learners[np.asarray(is_known)].tolist()))


def _pictures(shared: pa.Table, name: str) -> tuple[Numbers, pa.Int64Array]:
    """The samples that have pictures, and which; plain ones are left out."""
    column = shared[name].combine_chunks()
    lengths = np.asarray(column.value_lengths().fill_null(0))
    owners = np.repeat(np.arange(len(column)), lengths)
    pictures = np.asarray(column.flatten())
    return owners[pictures != PLAIN], pa.array(pictures[pictures != PLAIN], pa.int64())


def _groups(shared: pa.Table) -> tuple[Numbers, pa.DictionaryArray]:
    """The samples that declare a group, and which."""
    column = shared[_GROUP].combine_chunks()
    members = np.flatnonzero(np.asarray(column.is_valid()))
    return members, column.drop_null().dictionary_encode()
