"""task.json: all that a sampler needs to know besides the adapter's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..dataset.stores.revision import commit_of, without_commit

if TYPE_CHECKING:
    from ..backbones.model import Model
    from .canvases import Canvases
    from .settings import Settings

TASK_CARD = "task.json"
#: Raised when the meaning of a key changes.
CARD_VERSION = 1


def make_task_card(
    datasets: Sequence[Canvases],
    base: Model,
    settings: Settings,
    validation: Sequence[Canvases] = (),
) -> dict[str, Any]:
    """The card of an adapter: its base model, and each task's panels, layout, target and prompt.

    A task's `recipe` is the compiler's own, but for where its rows came from and which were kept,
    so that a sampler builds its canvas with the code that built the training canvases. The shares
    of dropout say whether the adapter knows the empty prompt and the empty context. `datasets` are
    where the data came from, with the commit of those on the Hub; so are those of `validation`,
    on which nothing was trained.
    """
    return {
        "card_version": CARD_VERSION,
        "base": {"name": base.name, "revision": base.revision},
        "adapter": settings.adapter.model_dump(mode="json"),
        "prompt_dropout": settings.prompt_dropout,
        "context_dropout": settings.context_dropout,
        "datasets": [_origin(dataset) for dataset in datasets],
        **({"validation": list(map(_origin, validation))} if validation else {}),
        "tasks": _tasks(datasets),
    }


def _origin(dataset: Canvases) -> dict[str, Any]:
    """Where a dataset came from; of a local one only the folder's own name goes to others."""
    is_remote = dataset.store.capacity is not None
    return {
        "name": without_commit(dataset.name) if is_remote else Path(dataset.name).name,
        "commit": commit_of(dataset.name),
        "fingerprint": dataset.info.fingerprint,
        "samples": len(dataset),
    }


def _tasks(datasets: Sequence[Canvases]) -> dict[str, Any]:
    """Tasks by name; alike ones of the same name count together, others are numbered."""
    tasks: dict[str, Any] = {}
    for dataset in datasets:
        name, task, number = dataset.info.task, _task(dataset), 1
        while name in tasks and tasks[name] | {"samples": 0} != task | {"samples": 0}:
            number += 1
            name = f"{dataset.info.task}-{number}"
        before = tasks[name]["samples"] if name in tasks else 0
        tasks[name] = task | {"samples": before + task["samples"]}
    return tasks


def _task(dataset: Canvases) -> dict[str, Any]:
    info = dataset.info
    of_rows = ("source", "filters")
    recipe = {key: value for key, value in info.recipe.items() if key not in of_rows}
    files = info.fingerprint_parts.get("operation_files")
    return {
        "recipe": recipe,
        **({"operation_files": files} if files else {}),
        "panel_size": list(info.panel_size),
        "canvas_size": list(info.canvas_size),
        "latents": info.latents.plain(),
        "samples": len(dataset),
    }
