"""The base of every source of rows: a scan that names its rows, and a reader for any of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from ..canvas.row import Columns, Row
from ..common.strict import Strict

StampKind = Literal["stat", "checksum"]
#: In place of a column by which rows are grouped: the folder in their keys.
FOLDER = "folder"


class Source(Strict):
    """A recipe's ``source``: its options, and how to find and read its rows.

    A source never holds open files or listings: `scan` puts into its table all that `read` needs,
    so that any slice of that table can be read in another process or on another machine.
    """

    #: Whether rows have no other order than that of their files' names.
    named_by_files: ClassVar[bool] = False

    kind: str
    stamp: StampKind = Field(
        default="stat",
        description="Sign by which a changed row is noticed: the size and modification time of its "
        "files, or their SHA-256 (slower, but unmoved by a copy or a touch).",
    )
    group: str | None = Field(
        default=None,
        description="The text column whose equal values mark rows that belong together, such as "
        "crops of one photograph, or `folder` for the files of one folder. They are held out from "
        "training together.",
    )

    @property
    def group_column(self) -> str | None:
        """The column that `group` names; None where it names none."""
        return None if self.group == FOLDER else self.group

    def scan(self, columns: Columns, base: Path) -> pa.Table:
        """List the rows, in the order in which they will be compiled.

        Args:
            columns: the columns that the recipe reads.
            base: the folder that relative paths are relative to.

        Returns:
            A table with the string columns ``key`` (unique) and ``stamp`` (changes when the row's
            data change, and is readable: ``image=18231@1719832000000000000``), and whatever else
            `read` needs, with absolute paths. Where the source knows which rows belong together,
            the string column ``group`` is equal for them, and null for a row on its own. It may be
            memory-mapped, and bring what was found of the source as a whole: see
            `findings.attach`.

        Raises:
            SourceError: when the source cannot be read, has no rows, or lacks a column.
        """
        raise NotImplementedError

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Read the rows of a slice of the scanned table, one `Row` for each, in order."""
        raise NotImplementedError


def group_of(source: Source, row: Row, scanned: pa.Table) -> str | None:
    """The group of a row: by the recipe's column, or else as the source knows it.

    `scanned` has that row alone of the source's scan.
    """
    if source.group is None:
        return scanned["group"][0].as_py() if "group" in scanned.column_names else None
    if source.group == FOLDER:
        return row.key.rpartition("/")[0] or None
    value = row.values.get(source.group)
    is_missing = value in (None, "") or (isinstance(value, float) and math.isnan(value))
    return None if is_missing else str(value)
