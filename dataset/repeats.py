"""Which rows of a dataset teach the same picture as others do, by the indexes of its shards."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..canvas.findings import EXAMPLES, Count, Counts, Finding

#: Columns of an index that are read for it; an older index lacks the last two.
COLUMNS = ("source", "group", "target_images")


def find_repeats(indexes: Iterable[pa.Table]) -> Counts:
    """The rows whose first target shows the same pixels as that of a row elsewhere.

    Rows of one group are expected to share pictures, and count only where a row outside the group
    shows the same one. Tables without the number of their target's pixels are passed over, and so
    are pictures of one colour, whose number is 0.
    """
    tables = [table.select(COLUMNS) for table in indexes if set(COLUMNS) <= set(table.column_names)]
    if not tables:
        return {}
    rows = pa.concat_tables(tables)
    rows = rows.filter(pc.greater(pc.list_value_length(rows["target_images"]), 0))
    pictures = pc.list_element(rows["target_images"], 0).to_numpy()
    repeated = _repeated(pictures, _group_numbers(rows["group"]))
    count = int(repeated.sum())
    if not count:
        return {}
    names = rows["source"].take(pa.array(np.flatnonzero(repeated)[:EXAMPLES])).to_pylist()
    return {Finding("repeated-target", "equal pixels"): Count(count, tuple(names))}


def _group_numbers(groups: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for each row that those of its group have, too; a row without a group has its own.

    Those of groups are 0 and above.
    """
    codes = groups.combine_chunks().dictionary_encode().indices
    alone = -1 - np.arange(len(groups))
    return np.where(codes.is_null(), alone, codes.fill_null(0).to_numpy().astype(np.int64))


def _repeated(pictures: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows show a picture that two groups have, bool [rows]."""
    twice = (pictures != 0) & _is_repeated(pictures)
    pairs = np.unique(np.stack([pictures[twice], groups[twice]]), axis=1)
    shared = pairs[0][_is_repeated(pairs[0])]
    return np.asarray(twice & np.isin(pictures, shared))


def _is_repeated(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which values are there more than once, bool [values]."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] > 1)
