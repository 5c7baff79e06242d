"""Fills the target panels of new canvases with a trained adapter.

In the order in which a picture meets the modules:

- `request`: what is asked for; `table`: many of it, from a table.
- `task`, `own_operations`: an adapter's task card, and which images it needs; which code is run.
- `canvas`: images become the panels of a canvas, by the code that training's were made with.
- `schedulers`, `guidance`, `network`, `denoise`: the masked sampling, a function for each idea.
- `decode`, `sheet`, `files`: the filled targets become pictures, and files.
- `pipeline`, `parts`: all of it as a pipeline of diffusers, whatever a model is made of.
- `sample`, `asked`, `pictures`, `rows`, `cli`: the command, for one canvas and for rows of a table.
- `cached`, `held_out`: the canvases of a dataset, and pictures of those while a run trains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .held_out import HeldOutPictures
    from .pipeline import OnePicPipeline, OnePicPipelineOutput
    from .task import Task, open_task

_HOMES = {
    "HeldOutPictures": "held_out",
    "OnePicPipeline": "pipeline",
    "OnePicPipelineOutput": "pipeline",
    "Task": "task",
    "open_task": "task",
}

__all__ = ["HeldOutPictures", "OnePicPipeline", "OnePicPipelineOutput", "Task", "open_task"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing a part stays quick."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
