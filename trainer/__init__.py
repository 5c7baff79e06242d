"""Trains an adapter from compiled datasets, with neither images nor encoders in memory.

In the order in which a run meets the modules:

- `settings`, `adapter_settings`: what is asked for.
- `canvases`: a dataset that is open, here or from a URL.
- `links`, `hold_out`, `division`, `skipped`: which samples belong together, are validated on, or
  left out.
- `order`, `fetch_ahead`, `conditioning`, `loader`: samples become batches.
- `base`, `adapter`: the model, and what of it is trained.
- `objective`, `step`: from a batch to its losses.
- `optimizer`, `state`, `checkpoint`, `resume`: what training changes, and how it is kept.
- `run`, `loop`, `recorder`, `validation`, `metrics`: the steps, and what is said of them.
- `adapter_files`, `export`, `unscaled`, `kohya`: the trained weights as they are left.
- `task_card`, `card`, `outputs`, `publish`: what a run leaves besides.
- `training`, `interrupt`, `failures`, `stopwatch`, `cli`: the run as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import open_base
    from .canvases import open_canvases
    from .loader import Batch, CanvasLoader
    from .settings import Settings
    from .step import Objective
    from .training import Summary, train

_HOMES = {
    "Batch": "loader",
    "CanvasLoader": "loader",
    "Objective": "step",
    "Settings": "settings",
    "Summary": "training",
    "open_base": "base",
    "open_canvases": "canvases",
    "train": "training",
}

__all__ = [
    "Batch",
    "CanvasLoader",
    "Objective",
    "Settings",
    "Summary",
    "open_base",
    "open_canvases",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing a part stays quick."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
