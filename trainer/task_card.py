"""task.json: all that a sampler needs to know besides the adapter's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .adapter import AdapterSettings
from .base import Base
from .canvases import Canvases

TASK_CARD = "task.json"
#: Raised when the meaning of a key changes.
CARD_VERSION = 1


def make_task_card(
    datasets: Sequence[Canvases], base: Base, adapter: AdapterSettings, prompt_dropout: float
) -> dict[str, Any]:
    """The card of an adapter: its base model, and each task's panels, layout, target and prompt.

    A task's `recipe` is the compiler's own, in full, so that a sampler builds its canvas with the
    code that built the training canvases. `prompt_dropout` says whether the adapter knows the
    empty prompt.
    """
    return {
        "card_version": CARD_VERSION,
        "base": {"name": base.name, "revision": base.revision},
        "adapter": adapter.model_dump(mode="json"),
        "prompt_dropout": prompt_dropout,
        "tasks": {dataset.info["task"]: _task(dataset) for dataset in datasets},
    }


def _task(dataset: Canvases) -> dict[str, Any]:
    info = dataset.info
    recipe = {key: value for key, value in info["recipe"].items() if key != "source"}
    return {
        "recipe": recipe,
        "panel_size": info["panel_size"],
        "canvas_size": info["canvas_size"],
        "latents": info["latents"],
        "samples": len(dataset),
    }
