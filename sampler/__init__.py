"""Fills the target panels of new canvases with a trained adapter.

In the order in which a picture meets the modules:

- `task`: an adapter's task card, and which images it needs.
- `canvas`: images become the panels of a canvas, by the compiler's own code.
- `denoise`, `guidance`, `network`: the masked sampling, a function for each idea, and the guided
  network.
- `decode`: the filled targets become pixels.
- `pipeline`: all of it as a pipeline of diffusers.
- `held_out`: pictures of held-out samples while a run trains.
- `request`, `asked`, `schedulers`, `sheet`, `table`: what is asked for, and in which form it comes
  and goes.
- `sample`, `pictures`, `rows`, `cli`: the command, for one canvas and for the rows of a table.
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
