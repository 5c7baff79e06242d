"""The canvas of a sample: made by the compiler's own code, with the target left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from ..canvas.filling import of_inputs
from ..canvas.layout import Box, Layout, target_mask
from ..canvas.narrowed import erase_hidden
from ..canvas.panels import digest_of, needs_all, noise_seed, prepare_rows
from ..canvas.row import ImageValue, Row, Value
from ..common.errors import RowError, TaskError
from ..common.strict import suggest
from .task import Task


@dataclass(frozen=True)
class Canvas:
    """A canvas whose targets are to be filled.

    `panels` are the known ones, uint8 [height, width, 3] by name. `narrowed`, bool
    [height, width], is the part of the target panel that is filled, or None for all of it. `seed`
    is the recipe's where it encodes panels to a sample of the VAE's distribution.
    """

    layout: Layout
    targets: tuple[str, ...]
    panels: Mapping[str, NDArray[np.uint8]]
    narrowed: NDArray[np.bool_] | None
    prompt: str
    seed: int | None = None

    def noise_seeds(self, panels: NDArray[np.uint8]) -> list[int] | None:
        """The seeds with which the compiler would encode panels, [N, height, width, 3]."""
        if self.seed is None:
            return None
        return [noise_seed(self.seed, digest_of(pixels)) for pixels in panels]

    @property
    def context(self) -> dict[str, NDArray[np.uint8]]:
        """The known panels as the network sees them: what a mask marks in the target is erased."""
        if self.narrowed is None:
            return dict(self.panels)
        return {
            name: erase_hidden(panel, self.narrowed) if name in self.targets else panel
            for name, panel in self.panels.items()
        }

    @property
    def mask(self) -> NDArray[np.uint8]:
        """The mask m of the paper: uint8 [1, h, w], 1 where the canvas is filled."""
        return target_mask(self.layout, self.targets, self.narrowed)

    def target_boxes(self) -> list[tuple[str, Box]]:
        """The targets and their places, in px of the canvas; a target is shown once."""
        return [(name, box) for name in self.targets for box in self.layout.boxes(name)]


def make_canvas(
    task: Task,
    images: Mapping[str, ImageValue | PathLike[str]],
    values: Mapping[str, Value],
    *,
    panel_size: tuple[int, int] | None = None,
    prompt: str | None = None,
    key: str = "",
) -> Canvas:
    """Bring images into their panels as the compiler would.

    Args:
        task: whose recipe says how.
        images: a path, encoded bytes or an image for each of the task's inputs.
        values: the columns that the prompt template names.
        panel_size: (width, height) in px, by default that of training.
        prompt: in place of the template.
        key: the row's key, from which random operations draw.

    Raises:
        TaskError: when an image is missing, unknown or unusable, or a value is missing.
    """
    task = task.filling(images)
    check_inputs(task, images)
    layout, recipe = task.layout(panel_size), of_inputs(task.recipe, prompt)
    given = {name: str(i) if isinstance(i, PathLike) else i for name, i in images.items()}
    row = Row(key, {**values, **given})
    # As in training, where panels of one column were decoded together.
    columns = {name: panel.from_ for name, panel in task.recipe.panels.items()}
    whole = [name for name in recipe.panels if needs_all(task.recipe, columns[name])]
    (prepared,) = prepare_rows(recipe, layout, [row], whole)
    if isinstance(prepared, RowError):
        raise TaskError(f"task {task.name}: {prepared.reason}")
    seed = recipe.seed if recipe.latent == "sample" else None
    return Canvas(layout, task.targets, prepared.panels, prepared.narrowed, prepared.prompt, seed)


def check_inputs(task: Task, images: Mapping[str, object]) -> None:
    """Refuse images of panels that the task does not have, and panels without their image.

    Raises:
        TaskError: listing the task's inputs.
    """
    for name in images:
        if name not in task.inputs:
            filled = " is what the task fills, it" if name in task.targets else ""
            raise TaskError(
                f"task {task.name}: {name!r}{filled} takes no image; {suggest(name, task.inputs)}"
            )
    missing = [name for name in task.inputs if name not in images]
    if missing:
        raise TaskError(
            f"task {task.name}: no image for {', '.join(missing)}; the task's inputs are "
            f"{', '.join(task.inputs)}"
        )
