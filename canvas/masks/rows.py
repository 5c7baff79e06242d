"""The masks of a row: read once, and cut as the panels that use them are."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from ...common.errors import RowError
from ..findings import Finding
from ..fitting import fit_mask
from ..pictures.images import Size
from ..recipe import CanvasRecipe
from ..row import Row
from .files import MaskFile, check_extent, read_mask


def read_row_masks(recipe: CanvasRecipe, row: Row) -> dict[str, MaskFile]:
    """The masks that a row brings, by column; those that the recipe draws for it are not there.

    Raises:
        RowError: when one is missing, or as `read_mask` does.
    """
    columns = dict.fromkeys(mask for name in recipe.panels for mask in recipe.masks_of(name))
    return {
        column: read_mask(_value(row, column), column, recipe.reading_of(column))
        for column in columns
        if column not in recipe.drawn_masks or row.values.get(column) is not None
    }


def fit_masks(
    recipe: CanvasRecipe, panel: str, masks: Mapping[str, Image.Image], size: Size
) -> tuple[dict[str, Image.Image], list[Finding]]:
    """Masks of a panel's image, cut as the panel is to `size` (width, height) in px.

    With them comes what was seen of those that are still needed then.

    Raises:
        RowError: when nothing of such a mask is left, or nothing besides it, and the recipe does
            not allow that (stage ``mask``).
    """
    fitted = {name: fit_mask(mask, size, fit=recipe.fit) for name, mask in masks.items()}
    needed = [name for name in recipe.masks_of(panel, stage="pixels") if name in fitted]
    where = f" of what the panel {panel!r} shows"
    extents = {
        name: check_extent(fitted[name], name, recipe.reading_of(name), where) for name in needed
    }
    return fitted, [Finding(f"mask-{extent}", name) for name, extent in extents.items() if extent]


def _value(row: Row, column: str) -> str | bytes | Image.Image:
    value = row.values.get(column)
    if not isinstance(value, str | bytes | Image.Image):
        raise RowError("mask", f"column {column!r} has no mask")
    return value
