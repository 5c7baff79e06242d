"""Pictures of one canvas, and the steps that every picture of the command takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import TaskError
from ..common.strict import suggest
from .canvas import Canvas, make_canvas
from .files import make_folder
from .request import Request, save_picture
from .sheet import contact_sheet
from .task import Task, open_task

if TYPE_CHECKING:
    from .pipeline import OnePicPipeline
    from .sample import Filled

#: Stands for the whole canvas among the names of panels, none of which is empty.
_CANVAS = ""


def sample_one(
    request: Request, count: int, output: Path, canvas: bool, operations: Sequence[Path] = ()
) -> None:
    """Fill one canvas, once or `count` times, and print the files.

    With `canvas` the whole canvas is saved too.

    Raises:
        OnepicError: when something of the request does not suit the task, or cannot be written.
    """
    if output.suffix.lower() != ".png" or output.is_dir():
        raise TaskError(f"--output {output}: expected a file that ends with .png")
    task = task_of(request, operations).filling(request.images)
    began = time.monotonic()
    check_values(task, request)
    known = canvas_of(task, request)
    make_folder(output.parent)
    pipe = open_pipe(task, request.model)
    pipe.set_progress_bar_config(disable=not sys.stderr.isatty(), leave=False)
    made, pictures = [], []
    for number in range(request.number, request.number + count):
        path = output if count == 1 else output.with_stem(f"{output.stem}-{number}")
        asked = request.model_copy(update={"number": number})
        filled = fill_canvas(pipe, known, asked)
        made += save_filled(filled, files_of(task, path, canvas), asked)
        pictures.append(filled.canvas if canvas else next(iter(filled.targets.values())))
    if count > 1:
        save_picture(contact_sheet(pictures), output)
        made.append(output)
    seconds = time.monotonic() - began
    print("\n".join([f"made {len(pictures)} in {seconds:.1f} s", *map(str, made)]))


def task_of(request: Request, operations: Sequence[Path] = ()) -> Task:
    """Open the task that a request names, on the grid that it asks for.

    `operations` are the user's own files, which are run; a request, which may be somebody else's
    picture, names none.
    """
    task = open_task(request.run, request.task, operations=operations)
    return task if request.layout is None else task.arranged(request.layout)


def open_pipe(task: Task, model: str | None) -> OnePicPipeline:
    """Open the pipeline of a task; see `sample.open_pipeline`."""
    # The libraries take seconds to import, and mistakes are told without them.
    from .sample import open_pipeline

    return open_pipeline(task, model)


def canvas_of(task: Task, request: Request) -> Canvas:
    """Make the canvas of a request."""
    return make_canvas(
        task,
        request.images,
        request.values,
        panel_size=request.panel_size,
        prompt=request.prompt,
    )


def fill_canvas(pipe: OnePicPipeline, canvas: Canvas, request: Request) -> Filled:
    """Fill the canvas of a request; see `sample.fill`."""
    from .sample import fill

    return fill(pipe, canvas, request)


def files_of(task: Task, path: Path, canvas: bool) -> dict[str, Path]:
    """The file of each target by name, and of the canvas if it is saved."""
    several = len(task.targets) > 1
    files = {
        name: path.with_stem(f"{path.stem}-{name}") if several else path for name in task.targets
    }
    return files | ({_CANVAS: path.with_stem(f"{path.stem}-canvas")} if canvas or several else {})


def save_filled(filled: Filled, files: Mapping[str, Path], request: Request) -> list[Path]:
    """Write the pictures that have a file; return the files."""
    pictures = {**filled.targets, _CANVAS: filled.canvas}
    for name, file in files.items():
        save_picture(pictures[name], file, request)
    return list(files.values())


def check_values(task: Task, request: Request) -> None:
    """Refuse values that the prompt has no place for."""
    columns = prompt_columns(task, request)
    for name in request.values:
        if name not in columns:
            prompt = "the task's prompt" if request.prompt is None else "--prompt"
            raise TaskError(
                f"--value {name}: {prompt} has no such column; {suggest(name, columns)}"
            )


def prompt_columns(task: Task, request: Request) -> list[str]:
    """The columns that the prompt names; one that is given has none."""
    if request.prompt is not None:
        return []
    return [field.column for field in task.recipe.template.fields]
