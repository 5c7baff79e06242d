"""A trained task: its card, and the recipe that says how a canvas is built."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..backbones.known import BACKBONES
from ..canvas.filling import arranged, filling, inputs_of, shown_panels
from ..canvas.layout import Layout
from ..canvas.recipe import CanvasRecipe, canvas_recipe
from ..canvas.sizes import check_panel_size
from ..common.errors import TaskError
from ..common.strict import suggest
from ..trainer.adapter_files import files_of_adapters
from ..trainer.task_card import CARD_VERSION, TASK_CARD
from .own_operations import advice, run_named


@dataclass(frozen=True)
class Task:
    """The task that an adapter in `folder` was trained to do.

    `kind` is the adapter's, such as ``lora``. `recipe` has everything but a source. `size` is a
    panel's (width, height) in px as trained, `factor` the px along a side of a latent cell,
    `channels` those of the latents, `base` the model's name. `knows_no_prompt` and
    `knows_no_context` say whether training left out the prompt, and the context, now and then:
    what guidance by each of them needs.
    """

    name: str
    folder: Path
    kind: str
    recipe: CanvasRecipe
    size: tuple[int, int]
    factor: int
    channels: int
    base: str
    revision: str | None
    knows_no_prompt: bool
    knows_no_context: bool

    @property
    def targets(self) -> tuple[str, ...]:
        """The panels that are filled."""
        return self.recipe.target.panels

    @property
    def inputs(self) -> tuple[str, ...]:
        """The images that are needed: of the other panels, in reading order, and masks.

        Where a mask narrows the target, its panel is an input too: it stays as it is outside.
        """
        return inputs_of(self.recipe)

    def arranged(self, rows: Sequence[Sequence[str]]) -> Task:
        """Arrange the panels on another grid; targets that it does not show are left out.

        Raises:
            TaskError: when a panel is unknown, or the grid is none that a recipe could have.
        """
        shown = [name for row in rows for name in row]
        for name in shown:
            if name not in self.recipe.panels:
                raise TaskError(
                    f"task {self.name}: layout: no panel {name!r}; "
                    f"{suggest(name, self.recipe.panels)}"
                )
        if not set(shown) & set(self.targets):
            raise TaskError(
                f"task {self.name}: layout: nothing to fill; show {' or '.join(self.targets)}"
            )
        try:
            return replace(self, recipe=arranged(self.recipe, rows))
        except ValidationError as error:
            reasons = "; ".join(problem["msg"] for problem in error.errors())
            raise TaskError(f"task {self.name}: {reasons.removeprefix('Value error, ')}") from error

    def filling(self, given: Collection[str]) -> Task:
        """Fix targets that were drawn for each sample to those that are not given.

        Raises:
            TaskError: when nothing is left to fill, or nothing is given.
        """
        if self.recipe.target.choose is None:
            return self
        targets = [name for name in self.targets if name not in given]
        if not targets or set(targets) == set(shown_panels(self.recipe)):
            raise TaskError(
                f"task {self.name}: give images of some of {', '.join(self.targets)}; those that "
                "are left out are filled"
            )
        return replace(self, recipe=filling(self.recipe, targets))

    def layout(self, size: tuple[int, int] | None = None) -> Layout:
        """The canvas with panels of `size` (width, height) px, by default those of training.

        Raises:
            TaskError: when a VAE cannot encode panels of this size.
        """
        width, height = size or self.size
        if min(width, height) < self.factor:
            raise TaskError(
                f"task {self.name}: panel size {width} x {height} px is too small; the least is "
                f"{self.factor} x {self.factor}"
            )
        try:
            check_panel_size(width, height, self.factor)
        except ValueError as error:
            raise TaskError(f"task {self.name}: {error}") from error
        return Layout(self.recipe.layout, width, height, self.factor)


def open_task(
    place: str | Path,
    name: str | None = None,
    revision: str | None = None,
    operations: Sequence[str | Path] = (),
) -> Task:
    """Read a task card from a run's folder, or from a repository of the Hub.

    Args:
        place: a folder, or USER/NAME.
        name: which task, where the adapter has several.
        revision: branch, tag or commit on the Hub.
        operations: Python files that register operations of the task. They are run; no file that
            came with the adapter is, unless it is named here.

    Raises:
        TaskError: when there is no card, it is of a newer version, or has no such task, or when a
            file is not the one that the task was trained with.
    """
    folder = _find(str(place), revision)
    card = _read_card(folder / TASK_CARD)
    tasks = card["tasks"]
    if name is None and len(tasks) > 1:
        raise TaskError(f"{folder}: the adapter has several tasks; give one: {', '.join(tasks)}")
    name = name or next(iter(tasks))
    if name not in tasks:
        raise TaskError(f"{folder}: no task {name!r}; {suggest(name, tasks)}")
    try:
        run_named(name, tasks[name], operations)
        return _make(name, folder, card, tasks[name])
    except (KeyError, IndexError, TypeError) as error:
        raise TaskError(
            f"{folder / TASK_CARD}: the card is incomplete: {type(error).__name__}: {error}; copy "
            "it again from the run's folder"
        ) from error


def _find(place: str, revision: str | None) -> Path:
    folder = Path(place).expanduser()
    if folder.is_dir():
        return folder
    if place.count("/") != 1 or place.startswith((".", "/", "~")):
        raise TaskError(f"{place}: no such folder; give a run's folder or USER/NAME on the Hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    folders = dict.fromkeys(one.network.folder for one in BACKBONES.values())
    files = dict.fromkeys(file for folder in folders for file in files_of_adapters(folder))
    try:
        return Path(snapshot_download(place, revision=revision, allow_patterns=[TASK_CARD, *files]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise TaskError(f"{place}: neither a folder here nor found on the Hub: {error}") from error


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TaskError(
            f"{path.parent}: no {TASK_CARD} there; expected a folder that onepic-train left"
        ) from error
    except (OSError, ValueError) as error:
        raise TaskError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(card, dict) or not isinstance(card.get("card_version"), int):
        raise TaskError(f"{path}: not a task card of onepic")
    if card["card_version"] > CARD_VERSION:
        raise TaskError(
            f"{path}: card version {card['card_version']} is newer than this onepic reads "
            f"({CARD_VERSION}); upgrade onepic"
        )
    if not isinstance(card.get("tasks"), dict) or not card["tasks"]:
        raise TaskError(f"{path}: the card has no tasks; copy it again from the run's folder")
    return card


def _make(name: str, folder: Path, card: Mapping[str, Any], task: Mapping[str, Any]) -> Task:
    try:
        recipe = canvas_recipe(task["recipe"])
    except ValidationError as error:
        raise TaskError(
            f"{folder / TASK_CARD}: the recipe of {name} is not one that this onepic knows: "
            f"{error}{advice(task)}"
        ) from error
    return Task(
        name=name,
        folder=folder,
        kind=card["adapter"]["kind"],
        recipe=recipe,
        size=tuple(task["panel_size"]),
        factor=task["canvas_size"][0] // task["latents"]["shape"][2],
        channels=task["latents"]["shape"][0],
        base=card["base"]["name"],
        revision=card["base"]["revision"],
        knows_no_prompt=card.get("prompt_dropout", 0) > 0,
        knows_no_context=card.get("context_dropout", 0) > 0,
    )
