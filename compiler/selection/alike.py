"""Which of many hashes are alike: the search behind the filters on duplicates.

Comparing all pairs of ten million hashes would take days. Instead the hashes are halved, and halved
again: what the first half keeps is compared with the second, so that each row meets only rows that
are kept. Two sets are compared through tables of some of the bits: if at most `distance` bits of
two hashes differ, and the bits are dealt to ``distance + shared`` bands, then at least `shared`
bands are the same, so the two meet in the table of these bands. Nothing is missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]

_BITS = 64
#: Hashes that are compared all with all.
_LEAF = 512
#: Pairs of which a table's are compared at once.
_PAIRS = 1 << 22
#: More bands to a table make fewer pairs, but many more tables.
_MOST_SHARED = 4
#: Rows to a table's entry, as a power of two, that are quicker to compare than more tables.
_CROWD = 2


def first_alike(hashes: Hashes, distance: int) -> Positions:
    """Find for each hash the position of the earliest kept one that is alike, or -1: it is kept.

    Hashes, uint64 [n], are alike where at most `distance` bits differ. Going through them in order,
    each is kept unless one that was kept before is alike.
    """
    distinct, first, member = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    owners = np.arange(len(distinct))
    if distance:
        _settle(distinct[order], owners, np.arange(len(distinct)), distance)
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    found = first[order][owners][places[member]]
    found[found == np.arange(len(hashes))] = -1
    return found


def _settle(hashes: Hashes, owners: Positions, rows: Positions, distance: int) -> Positions:
    """Find the owners of some rows, rising, that no kept row before them owns; the kept ones."""
    if len(rows) <= _LEAF:
        return _settle_few(hashes, owners, rows, distance)
    half = len(rows) // 2
    kept = _settle(hashes, owners, rows[:half], distance)
    rest = rows[half:]
    found = earliest_alike(hashes[kept], hashes[rest], distance)
    owners[rest[found >= 0]] = kept[found[found >= 0]]
    return np.concatenate([kept, _settle(hashes, owners, rest[found < 0], distance)])


def _settle_few(hashes: Hashes, owners: Positions, rows: Positions, distance: int) -> Positions:
    part = hashes[rows]
    alike = np.triu(np.bitwise_count(part[:, None] ^ part) <= distance, 1)
    kept = np.ones(len(rows), bool)
    for number in np.flatnonzero(alike.any(1)):
        if kept[number]:
            dropped = alike[number] & kept
            owners[rows[dropped]] = rows[number]
            kept &= ~dropped
    return rows[kept]


def earliest_alike(kept: Hashes, hashes: Hashes, distance: int) -> Positions:
    """Find for each of `hashes` the position of the first of `kept` that is alike, or -1."""
    best = np.full(len(hashes), len(kept))
    for bits in _tables(distance, len(kept)):
        for mine, theirs in _pairs_that_share(kept & bits, hashes & bits):
            close = np.bitwise_count(kept[mine] ^ hashes[theirs]) <= distance
            np.minimum.at(best, theirs[close], mine[close])
    best[best == len(kept)] = -1
    return best


def _tables(distance: int, rows: int) -> list[np.uint64]:
    """The bits by which each table brings rows together."""
    needed = math.log2(max(rows, 1)) - _CROWD
    enough = (s for s in range(1, _MOST_SHARED) if s * _BITS / (distance + s) >= needed)
    shared = next(enough, _MOST_SHARED)
    bands = distance + shared
    # Neighbouring frequencies go together, so each band gets bits from everywhere.
    masks = [sum(1 << bit for bit in range(band, _BITS, bands)) for band in range(bands)]
    return [np.uint64(sum(chosen)) for chosen in combinations(masks, shared)]


def _pairs_that_share(kept: Hashes, hashes: Hashes) -> Iterator[tuple[Positions, Positions]]:
    """Yield all pairs of equal keys, as positions in both, some millions at a time."""
    mine, theirs = np.argsort(kept), np.argsort(hashes)
    keys = hashes[theirs]
    starts = np.searchsorted(kept, keys, "left", mine)
    counts = np.searchsorted(kept, keys, "right", mine) - starts
    ends = np.cumsum(counts)
    row = 0
    while row < len(keys):
        before = ends[row - 1] if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        part = counts[row:stop]
        within = np.arange(part.sum()) - np.repeat(np.cumsum(part) - part, part)
        yield mine[np.repeat(starts[row:stop], part) + within], np.repeat(theirs[row:stop], part)
        row = stop
