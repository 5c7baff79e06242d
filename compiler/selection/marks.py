"""Marks on single rows that the plan knows of before they are read: duplicates."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from ...common.errors import DroppedRowError

#: Columns beside the scanned rows: the filter that drops a row, and why; null where none does.
DROPPED_BY, DROPPED_WHY = "dropped by", "dropped why"
MARKS = pa.schema([(name, pa.string()) for name in (DROPPED_BY, DROPPED_WHY)])


def marked_stamps(rows: pa.Table) -> pa.Table:
    """Rows whose stamps also change when an earlier row becomes, or ceases to be, their double."""
    if DROPPED_WHY not in rows.column_names:
        return rows
    pairs = zip(rows["stamp"].to_pylist(), rows[DROPPED_WHY].to_pylist(), strict=True)
    stamps = [stamp if why is None else f"{stamp} duplicate={_digest(why)}" for stamp, why in pairs]
    place = rows.column_names.index("stamp")
    return rows.set_column(place, "stamp", pa.array(stamps, pa.string()))


def split_marked(rows: pa.Table) -> tuple[pa.Table, list[DroppedRowError | None]]:
    """The rows that are kept, as their source scanned them, and for each row why it is not."""
    if DROPPED_BY not in rows.column_names:
        return rows, [None] * rows.num_rows
    kept = rows.filter(rows[DROPPED_BY].is_null()).drop_columns([DROPPED_BY, DROPPED_WHY])
    marks = zip(rows[DROPPED_BY].to_pylist(), rows[DROPPED_WHY].to_pylist(), strict=True)
    return kept, [None if label is None else DroppedRowError(label, why) for label, why in marks]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
