"""A row of raw data: the columns that a recipe reads of it, and their values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from PIL import Image

from ..common.errors import RowError, SourceError
from ..common.strict import suggest
from .findings import Finding

#: An image column holds a path or URL (str), an encoded file (bytes) or a decoded image.
ImageValue = str | bytes | Image.Image


#: A text column holds a single value, or several texts of which each sample gets one.
Value = ImageValue | int | float | bool | tuple[str, ...] | None


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
        """The names of all columns, each once, images first."""
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
        """Check columns as `check` does, where they are known to be images or texts."""
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
