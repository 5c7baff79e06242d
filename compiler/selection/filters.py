"""Which rows a recipe wants: by a number in a column, by the size of an image, and without doubles.

A row that a filter drops is not a fault: it is listed apart from rejected rows, and counted by
filter. Filters on columns are asked first, before any image is read; those on sizes when the head
of an image is, before its pixels are decoded; those on duplicates see what all others leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from ...canvas.pictures.images import Size
from ...canvas.row import Value
from ...common.errors import DroppedRowError, RowError
from ...common.named import Named, Notation, dump_named

Side = Annotated[int, Field(ge=1)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]

#: Bits of a perceptual hash that may differ at most: beyond, pictures are alike by chance.
MOST_BITS = 10


class Filter(Named):
    """Drops rows of a source."""

    @property
    def label(self) -> str:
        """A name that tells the filter from the others of a recipe: ``score aesthetic``."""
        raise NotImplementedError


class ScoreFilter(Filter):
    """A number in a column, between two bounds: an aesthetic score, a similarity."""

    name: ClassVar[str] = "score"

    column: str = Field(description="A column of numbers.")
    least: Number | None = Field(default=None, description="The least number that is kept.")
    most: Number | None = Field(default=None, description="The greatest number that is kept.")

    @model_validator(mode="after")
    def _check_bounds(self) -> ScoreFilter:
        _check_order(self.least, self.most)
        return self

    @property
    def label(self) -> str:
        """The filter's name and its column."""
        return f"{self.name} {self.column}"

    def objection(self, value: Value) -> str | None:
        """Why a row with this value is dropped, if it is; an empty one always is.

        Raises:
            RowError: when the value is not a number (stage ``read``).
        """
        if value is None or value == "":
            return "the column is empty"
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise RowError(
                "read",
                f"the column {self.column!r} holds {value!r:.40}; expected a number, as the filter "
                f"{self.name!r} is on it",
            ) from error
        if math.isnan(number):
            return "the column is empty (NaN)"
        return _out_of_bounds(number, self.least, self.most)


class SizeFilter(Filter):
    """A filter by the size of an image."""

    of: str | None = Field(
        default=None, description="A column of images; by default all that the panels show."
    )

    @property
    def label(self) -> str:
        """The filter's name, and its column where it has one."""
        return self.name if self.of is None else f"{self.name} of {self.of}"

    def objection(self, size: Size) -> str | None:
        """Why an image of `size` (width, height) px, upright, is not wanted, if it is not."""
        raise NotImplementedError


class MinSizeFilter(SizeFilter):
    """Images that are large enough."""

    name: ClassVar[str] = "min_size"

    width: Side | None = Field(default=None, description="The least width that is kept, px.")
    height: Side | None = Field(default=None, description="The least height that is kept, px.")

    @model_validator(mode="after")
    def _check_sides(self) -> MinSizeFilter:
        if self.width is None and self.height is None:
            raise ValueError("nothing is asked for; give width, height or both")
        return self

    def objection(self, size: Size) -> str | None:
        """The first side that is too short."""
        sides = zip(("wide", "high"), size, (self.width, self.height), strict=True)
        for name, side, least in sides:
            if least is not None and side < least:
                return f"{size[0]} x {size[1]} px; at least {least} px {name} is kept"
        return None


class AspectFilter(SizeFilter):
    """Images whose width divided by their height is between two bounds."""

    name: ClassVar[str] = "aspect"

    least: Ratio | None = Field(default=None, description="The least width / height.")
    most: Ratio | None = Field(default=None, description="The greatest width / height.")

    @model_validator(mode="after")
    def _check_bounds(self) -> AspectFilter:
        _check_order(self.least, self.most)
        return self

    def objection(self, size: Size) -> str | None:
        """A ratio out of bounds."""
        found = _out_of_bounds(size[0] / size[1], self.least, self.most)
        return found and f"{size[0]} x {size[1]} px, {found}"


class DuplicateFilter(Filter):
    """Images that no earlier row has; the first row in the source's order is kept."""

    of: str = Field(description="The column of images that are compared.")

    @property
    def label(self) -> str:
        """The filter's name and its column."""
        return f"{self.name} of {self.of}"


class ExactDuplicates(DuplicateFilter):
    """Files of other bytes than all before; decoded images of other pixels."""

    name: ClassVar[str] = "duplicates"


class NearDuplicates(DuplicateFilter):
    """Images that look unlike all before, by the bits in which their perceptual hashes differ."""

    name: ClassVar[str] = "near_duplicates"

    distance: int = Field(
        default=4,
        ge=0,
        le=MOST_BITS,
        description="Number of bits of 64 in which images that are alike may differ.",
    )


#: by the names that recipes write
FILTERS: dict[str, type[Filter]] = {
    kind.name: kind
    for kind in (ScoreFilter, MinSizeFilter, AspectFilter, ExactDuplicates, NearDuplicates)
}

#: How recipes write them.
NOTATION = Notation[Filter](
    FILTERS, "a", "filter", ("aspect", "{score: {column: aesthetic, least: 5}}")
)
AnyFilter = Annotated[Filter, BeforeValidator(NOTATION.read), PlainSerializer(dump_named), NOTATION]

F = TypeVar("F", bound=Filter)


def of_kind(kind: type[F], filters: Iterable[Filter]) -> list[F]:
    """Choose the filters of one kind, in order."""
    return [item for item in filters if isinstance(item, kind)]


def check_values(filters: Iterable[Filter], values: Mapping[str, Value]) -> None:
    """Ask the filters on columns about a row.

    Raises:
        DroppedRowError: naming the first that drops it.
        RowError: when a score is not a number.
    """
    for item in of_kind(ScoreFilter, filters):
        if objection := item.objection(values.get(item.column)):
            raise DroppedRowError(item.label, f"{item.label}: {objection}")


def check_size(filters: Iterable[Filter], column: str, size: Size) -> None:
    """Ask the filters on sizes about the image in a column; `size` is upright, in px.

    Raises:
        DroppedRowError: naming the first that drops it.
    """
    for item in of_kind(SizeFilter, filters):
        if item.of in (None, column) and (objection := item.objection(size)):
            raise DroppedRowError(item.label, f"{item.label}: {column} is {objection}")


def _check_order(least: float | None, most: float | None) -> None:
    if least is None and most is None:
        raise ValueError("nothing is asked for; give least, most or both")
    if least is not None and most is not None and least > most:
        raise ValueError(f"least {least:g} is above most {most:g}; give them in order")


def _out_of_bounds(number: float, least: float | None, most: float | None) -> str | None:
    if least is not None and number < least:
        return f"{number:g}; at least {least:g} is kept"
    if most is not None and number > most:
        return f"{number:g}; at most {most:g} is kept"
    return None
