"""Pictures of one row that would have to match, and are cut differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from .findings import Finding
from .fitting import of_one_shape
from .pictures.images import Size
from .recipe import CanvasRecipe


def cut_differently(recipe: CanvasRecipe, sizes: Mapping[str, Size]) -> tuple[Finding, ...]:
    """A finding for each pair of columns whose images differ in shape, by their upright `sizes`.

    Nothing is found where ``align`` names what belongs together, where `fit` cuts nothing, or where
    an operation cuts a column first. Members of a group or a sequence (``image.1``, ``image``) show
    different things; only columns of one member are compared, such as ``image.1`` and ``edited.1``.
    """
    if recipe.align or recipe.fit != "cover":
        return ()
    members: dict[str, list[str]] = {}
    for column in sizes:
        if not _is_cut_first(recipe, column):
            members.setdefault(_member(column), []).append(column)
    return tuple(found for columns in members.values() for found in _compare(columns, sizes))


def _compare(columns: list[str], sizes: Mapping[str, Size]) -> Iterator[Finding]:
    for first, second in pairwise(columns):
        if not of_one_shape(sizes[first], sizes[second]):
            names = f"columns {first!r} and {second!r}"
            turned = of_one_shape(sizes[first], sizes[second][::-1])
            why = ", as if one were turned (by a stale EXIF tag?)" if turned else ""
            yield Finding("cut-differently", names + why)


def _member(column: str) -> str:
    """The number of the member of a group that a column is of; empty for all others."""
    number = column.rpartition(".")[2]
    return number if number.isdigit() else ""


def _is_cut_first(recipe: CanvasRecipe, column: str) -> bool:
    panels = [panel for panel in recipe.panels.values() if panel.from_ == column]
    return any(step.stage == "geometry" for panel in panels for step in panel.apply)
