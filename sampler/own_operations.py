"""Operations of a task that its user's own Python files register.

A task card comes with an adapter, from whomever that is: it names such files, and none of them is
run for that. A user who has the file names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..canvas.operations import load_operations_file
from ..common.errors import RecipeError, TaskError
from ..common.files import sha256


def run_named(task: str, card: Mapping[str, Any], files: Sequence[str | Path]) -> None:
    """Run the files that the user names, if they are those that the task was trained with.

    `card` is the task's part of the task card. Cards from before it recorded SHA-256 are taken at
    the files' names.

    Raises:
        TaskError: for a file that the task does not name, that is another one, or that fails.
    """
    recorded = {**card}.get("operation_files", {})
    known = {Path(name).name: recorded.get(name) for name in named_files(card)}
    for file in map(Path, files):
        if file.name not in known:
            listed = f"it names {', '.join(known)}" if known else "it names none"
            raise TaskError(f"task {task}: --operations {file}: not a file of the task; {listed}")
        if not file.is_file():
            raise TaskError(f"task {task}: --operations {file}: no such file")
        expected, found = known[file.name], sha256(file)
        if expected not in (None, found):
            raise TaskError(
                f"task {task}: --operations {file}: not the file of training, whose SHA-256 is "
                f"{expected}; this one's is {found}"
            )
        try:
            load_operations_file(file)
        except RecipeError as error:
            raise TaskError(f"task {task}: {error}") from error


def named_files(card: Mapping[str, Any]) -> list[str]:
    """The files that a task's recipe names."""
    names = {**card["recipe"]}.get("operations", ())
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def advice(card: Mapping[str, Any]) -> str:
    """How to have the task's own operations, where it has some."""
    files = named_files(card)
    if not files:
        return ""
    return (
        f"; its own operations are in {', '.join(files)}, which is run only when you name it: give "
        "--operations FILE, or operations=[FILE] in Python, if you trust what is in it"
    )
