"""Pictures of a table: one for each row, but for those that are there already."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..common.errors import TaskError
from ..common.report import Report, open_report
from ..trainer.task_card import TASK_CARD
from .files import make_folder
from .pictures import (
    canvas_of,
    check_values,
    files_of,
    fill_canvas,
    open_pipe,
    prompt_columns,
    save_filled,
    task_of,
)
from .request import Request, was_made
from .table import INPUTS, TableRow, columns_of, read_table, with_files, write_results
from .task import Task


def sample_table(
    request: Request, table: Path, folder: Path, canvas: bool, operations: Sequence[Path] = ()
) -> int:
    """Make a picture for each row but for those that are there; the number of rows that failed.

    A list of all rows is written into `folder`. With `canvas` whole canvases are saved too.

    Raises:
        OnepicError: when something of the request or the table does not suit the task.
    """
    if folder.suffix.lower() == ".png":
        raise TaskError(f"--output {folder}: with --table expected a folder")
    task = task_of(request, operations)
    task = task.filling(columns_of(table)) if task.recipe.target.choose else task
    check_values(task, request)
    rows = read_table(table, task.inputs, prompt_columns(task, request))
    wanted = {row.name: _of_row(request, row, folder / INPUTS) for row in rows}
    files = {name: files_of(task, folder / f"{name}.png", canvas) for name in wanted}
    missing = [name for name in wanted if not _is_done(task, wanted[name], files[name].values())]
    make_folder(folder)
    done = len(wanted) - len(missing)
    report = open_report()
    report.begin(len(wanted), done, "sampling", "pictures")
    try:
        reasons = _make(task, {name: wanted[name] for name in missing}, files, report)
    finally:
        report.end()
    results = [_result(name, files[name], reasons.get(name, "")) for name in wanted]
    print(
        f"made {len(missing) - len(reasons)} of {len(wanted)} pictures in {folder}, "
        f"{done} were there, {len(reasons)} failed: {write_results(folder, results)}"
    )
    return len(reasons)


def _make(
    task: Task,
    wanted: Mapping[str, Request],
    files: Mapping[str, Mapping[str, Path]],
    report: Report,
) -> dict[str, str]:
    """Make the pictures that are wanted; the reasons, by row, why some could not be made."""
    pipe = functools.cache(lambda model: open_pipe(task, model))
    reasons: dict[str, str] = {}
    for name, asked in wanted.items():
        try:
            known = canvas_of(task, asked)
        except TaskError as error:
            reasons[name] = str(error)
            report.note(f"{name}: {error}")
        else:
            save_filled(fill_canvas(pipe(asked.model), known, asked), files[name], asked)
        report.advance(1)
    return reasons


def _of_row(request: Request, row: TableRow, inputs: Path) -> Request:
    """The request of a row; `inputs` is where images go that the table itself holds."""
    values = {**request.values, **row.values}
    return request.model_copy(update={"images": with_files(row, inputs), "values": values})


def _is_done(task: Task, request: Request, files: Iterable[Path]) -> bool:
    """Whether a row's pictures are there, as it asks, and newer than the adapter and the images."""
    sources = [task.folder / TASK_CARD, *map(Path, request.images.values())]
    newest = max(map(_changed, sources))
    return all(was_made(file, request) and _changed(file) >= newest for file in files)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except (OSError, ValueError):  # a URL, or nothing that a path can be
        return 0.0


def _result(name: str, files: Mapping[str, Path], reason: str) -> dict[str, str]:
    """A row of results.csv."""
    picture = "" if reason else next(iter(files.values())).name
    status = "failed" if reason else "done"
    return {"name": name, "status": status, "picture": picture, "reason": reason}
