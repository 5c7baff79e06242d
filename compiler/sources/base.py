"""What every source of rows offers: a scan that names its rows, and a reader for any of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
from PIL import Image
from pydantic import Field

from ...common.errors import RowError, SourceError
from ...common.strict import Strict, suggest
from ..findings import Finding

#: An image column holds a path or URL (str), an encoded file (bytes) or a decoded image.
ImageValue = str | bytes | Image.Image
#: A text column holds a single value, or several texts of which each sample gets one.
Value = ImageValue | int | float | bool | tuple[str, ...] | None
StampKind = Literal["stat", "checksum"]
#: In place of a column by which rows are grouped: the folder in their keys.
FOLDER = "folder"


@dataclass(frozen=True)
class Columns:
    """The columns that a recipe reads: `images` are decoded, `texts` fill the prompt.

    `optional_texts` are those of the texts for which the prompt has a default: a source that has
    no such column gives rows without it.
    """

    images: tuple[str, ...]
    texts: tuple[str, ...] = ()
    optional_texts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, each once, images first."""
        return tuple(dict.fromkeys((*self.images, *self.texts)))

    @property
    def only_texts(self) -> tuple[str, ...]:
        """The texts that are not images as well."""
        return tuple(name for name in self.texts if name not in self.images)

    def check(self, present: Collection[str], where: str) -> None:
        """Raise a `SourceError` about the first column that is needed and not `present`."""
        for name in self.names:
            optional = name in self.optional_texts and name not in self.images
            if name not in present and not optional:
                raise SourceError(f"{where}: no column {name!r}; {suggest(name, present)}")

    def check_kinds(self, images: Collection[str], texts: Collection[str], where: str) -> None:
        """The same for a source whose columns are known to be images or texts."""
        Columns(self.images).check(images, f"{where}, images")
        Columns((), self.texts, self.optional_texts).check(texts, f"{where}, texts")


@dataclass(frozen=True)
class Row:
    """One row of a source; a column that it lacks is absent or None.

    `key` is the name that people know it by (a relative path, a table's id), unique in its source.
    `error` is set where the row could not be read; its `values` are then empty. `findings` are what
    was seen of it while it was read.
    """

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    error: RowError | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def reading(cls, key: str, values: Callable[[], Mapping[str, Value]]) -> Row:
        """The row of what `values` returns, or of the `RowError` that it raises."""
        try:
            return cls(key, values())
        except RowError as error:
            return cls(key, error=error)


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
        description="How a changed row is noticed: by the size and modification time of its files, "
        "or by their SHA-256 (slower, but unmoved by a copy or a touch).",
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
