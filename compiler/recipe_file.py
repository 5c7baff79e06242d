"""Reading a recipe from YAML, with overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..canvas.operations import load_operations_file
from ..common.errors import RecipeError
from ..common.yaml_file import Kind, Override, read_document
from .recipe import Recipe

#: How messages about a recipe's file speak of it.
RECIPE = Kind(
    content="a recipe",
    keys="task, source, panels, layout and target",
    example="panel_size.width=512",
    error=RecipeError,
)


def read_recipe(file: Path, overrides: Sequence[Override] = ()) -> Recipe:
    """The recipe of a YAML file.

    Raises:
        RecipeError: naming the file, line and key, for anything that is not a valid recipe.
    """
    document = read_document(file, RECIPE, overrides)
    try:
        return recipe_from_data(document.data, file.parent)
    except ValidationError as error:
        raise RecipeError(document.explain(error)) from error


def recipe_from_data(data: Mapping[str, Any], folder: Path) -> Recipe:
    """Validate plain data, after importing the operation files that it names.

    Args:
        data: what the YAML of a recipe holds, or ``recipe.model_dump(by_alias=True)``.
        folder: the recipe's folder, to which operation files are relative.

    Raises:
        RecipeError: when an operation file cannot be imported.
        pydantic.ValidationError: when the data are not a recipe.
    """
    names = data.get("operations")
    for name in names if isinstance(names, list | tuple) else ():
        load_operations_file(folder / str(name))
    return Recipe.model_validate(data)
