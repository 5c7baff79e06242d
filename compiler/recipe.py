"""Recipes: a task, where its images come from, and for which model they are encoded.

A recipe is plain data. Reading one from YAML, with overrides and with errors that name the line,
is `recipe_file`'s job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ..canvas.pictures.images import Size
from ..canvas.recipe import CanvasRecipe
from ..canvas.row import Columns, Value
from ..common.strict import Strict, suggest
from .selection.filters import (
    AnyFilter,
    DuplicateFilter,
    ScoreFilter,
    SizeFilter,
    check_size,
    check_values,
    of_kind,
)
from .sources import AnySource


class PanelSize(Strict):
    """The size of every panel of the canvas, in px."""

    width: int = Field(ge=8, le=8192)
    height: int = Field(ge=8, le=8192)


class Rows(Strict):
    """Which rows a task is made of; the keys that a recipe begins with."""

    task: str
    source: AnySource = Field(description="Source of the rows.")
    filters: tuple[AnyFilter, ...] = Field(
        default=(),
        description="Filters of the rows: score, min_size, aspect, duplicates, near_duplicates.",
    )


class Recipe(CanvasRecipe, Rows):
    """One task, from its source to the shape of its samples."""

    model: str = Field(
        default="miniature",
        description="The model: a diffusers folder, a Hub id, or `miniature`.",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of `model`.")
    panel_size: Literal["auto"] | PanelSize = Field(
        default="auto",
        description="Size of a panel; `auto` brings the canvas to the model's native area.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="Number of rows to compile, from the first."
    )
    samples_per_shard: int = Field(
        default=256, ge=1, le=100_000, description="Number of samples in a shard."
    )
    max_rejected: float = Field(
        default=0.01, ge=0, le=1, description="Share of rejected rows above which the run fails."
    )

    @model_validator(mode="after")
    def _check_filters(self) -> Self:
        columns = dict.fromkeys(panel.from_ for panel in self.panels.values())
        labels = [item.label for item in self.filters]
        for number, item in enumerate(self.filters):
            where = f"filters.{number}.{item.name}"
            if item.label in labels[:number]:
                raise ValueError(f"{where}: {item.label!r} is there twice; put both into one")
            of = item.of if isinstance(item, SizeFilter | DuplicateFilter) else None
            if of is not None and of not in columns:
                raise ValueError(
                    f"{where}: no panel is made from a column {of!r}; {suggest(of, columns)}"
                )
            if isinstance(item, ScoreFilter) and item.column in columns:
                raise ValueError(
                    f"{where}: the column {item.column!r} holds the images of a panel; name a "
                    "column of numbers"
                )
        return self

    @model_validator(mode="after")
    def _check_group(self) -> Self:
        if self.source.group_column in self.columns.images:
            raise ValueError(
                f"source.group: the column {self.source.group!r} holds images, and rows that share "
                "one are known without; name a column of texts"
            )
        return self

    @property
    def columns(self) -> Columns:
        """Everything that is read from the source."""
        texts = {field.column: field.default for field in self.template.fields}
        texts |= {item.column: None for item in of_kind(ScoreFilter, self.filters)}
        texts |= {column: None for column in (self.source.group_column,) if column is not None}
        return self._reading(texts)

    def check_values(self, values: Mapping[str, Value]) -> None:
        """Raise a `DroppedRowError` where a filter does not want a row."""
        check_values(self.filters, values)

    def check_size(self, column: str, size: Size) -> None:
        """The same for the size (width, height), upright, in px of a column's image."""
        check_size(self.filters, column, size)


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema by which editors complete and check a recipe."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Recipe.model_json_schema(),
        "title": "onepic recipe",
    }
