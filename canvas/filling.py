"""Recipes of canvases that are filled, made from the one that a task was learned by."""

from __future__ import annotations

from collections.abc import Sequence

from .recipe import CanvasRecipe


def shown_panels(recipe: CanvasRecipe) -> tuple[str, ...]:
    """The panels of the layout in reading order, each once."""
    return tuple(dict.fromkeys(name for row in recipe.layout for name in row))


def inputs_of(recipe: CanvasRecipe) -> tuple[str, ...]:
    """The panels and masks that an image is needed for: panels in reading order, then masks.

    Where a mask narrows the target, its panel is an input too: it stays as it is outside.
    """
    narrowed = recipe.target.mask is not None
    kept = [name for name in shown_panels(recipe) if narrowed or name not in recipe.target.panels]
    masks = [mask for name in kept for mask in recipe.masks_of(name)]
    return tuple(dict.fromkeys([*kept, *masks]))


def arranged(recipe: CanvasRecipe, rows: Sequence[Sequence[str]]) -> CanvasRecipe:
    """Put the panels on another grid; panels and targets that it does not show are left out.

    Raises:
        pydantic.ValidationError: when the grid is none that a recipe could have.
    """
    shown = dict.fromkeys(name for row in rows for name in row)
    targets = tuple(name for name in recipe.target.panels if name in shown)
    changes = {
        "layout": tuple(map(tuple, rows)),
        "panels": {name: recipe.panels[name] for name in shown if name in recipe.panels},
        "target": dict(recipe.target) | {"panels": targets, "choose": None},
        "align": (),
    }
    return CanvasRecipe.model_validate(dict(recipe) | changes)


def filling(recipe: CanvasRecipe, targets: Sequence[str]) -> CanvasRecipe:
    """Make `targets` the panels that are filled, in place of those drawn for each row."""
    target = recipe.target.model_copy(update={"panels": tuple(targets), "choose": None})
    return recipe.model_copy(update={"target": target})


def of_inputs(recipe: CanvasRecipe, prompt: str | None = None) -> CanvasRecipe:
    """Make each known panel from the input of its own name, with `prompt` if one is given.

    Braces in a given prompt name no columns.
    """
    inputs = inputs_of(recipe)
    panels = {
        name: panel.model_copy(update={"from_": name})
        for name, panel in recipe.panels.items()
        if name in inputs
    }
    text = recipe.prompt if prompt is None else prompt.replace("{", "{{").replace("}", "}}")
    return recipe.model_copy(update={"panels": panels, "prompt": text, "align": ()})
