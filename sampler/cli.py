"""The command ``onepic-sample``."""

from __future__ import annotations

import functools
import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from pydantic import ValidationError

from ..canvas.sizes import parse_size
from ..common.command import ending
from ..common.errors import TaskError
from ..common.options import with_options
from ..common.report import open_report
from ..common.strict import suggest
from ..trainer.task_card import TASK_CARD
from .canvas import Canvas, make_canvas
from .files import make_folder
from .guidance import Guidance
from .request import (
    Request,
    SchedulerName,
    absolute,
    problems,
    read_request,
    save_picture,
    was_made,
)
from .sheet import contact_sheet
from .table import INPUTS, TableRow, columns_of, read_table, with_files, write_results
from .task import Task, open_task

if TYPE_CHECKING:
    from .pipeline import OnePicPipeline
    from .sample import Filled

COMMAND = "onepic-sample"
EXAMPLES = """
Fill the target panel of a canvas with a trained adapter.

Examples:

  onepic-sample runs/colorization --image grey=old_photo.jpg --output colour.png

  onepic-sample runs/tryon --image garment=shirt.png --image person=me.jpg --count 4 --seed 7

  onepic-sample runs/colorization --table inputs.csv --output out/

  onepic-sample --again colour.png --output again.png

A picture says in itself how it was made, with the whole paths of its run and its images. --again
makes it anew, from any folder; options beside it replace what the picture says.

A table has a column for each of the task's inputs, others for the prompt, and `name` for the
picture's file; paths in it are relative to its folder. Rows whose pictures are there, made with the
same settings and newer than the adapter and the images, are left out when the command is given
again. Other files that are in the way are overwritten.

Exit codes: 0 done, 1 the run failed, 2 the call was wrong, 130 stopped by Ctrl-C.
"""

#: Stands for the whole canvas among the names of panels, none of which is empty.
_CANVAS = ""


def _default(setting: str) -> str:
    return str(Request.model_fields[setting].default)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@with_options("guidance", Guidance)
def sample_command(
    *,
    run: Annotated[
        str | None,
        typer.Argument(help="The run: a folder of onepic-train, or USER/NAME on the Hub."),
    ] = None,
    image: Annotated[
        list[str] | None, typer.Option(help="Image for one of the task's inputs, PANEL=FILE.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="A CSV, TSV, JSON Lines or Parquet file of inputs, a picture for each row."
        ),
    ] = None,
    again: Annotated[Path | None, typer.Option(help="Make a picture of this command anew.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File of the picture; with --table a folder.",
            show_default="sample.png, or samples/",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Name of the task, where the adapter has several.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The base model: a diffusers folder or Hub id.", show_default="the adapter's own"
        ),
    ] = None,
    value: Annotated[
        list[str] | None, typer.Option(help="Text for a column of the task's prompt, COLUMN=TEXT.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt in place of the task's own.")] = None,
    negative_prompt: Annotated[
        str | None, typer.Option(help="Prompt that guidance leads away from.")
    ] = None,
    count: Annotated[int, typer.Option(help="Number of pictures of the same canvas.", min=1)] = 1,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the noise.", show_default=_default("seed"))
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Number of steps of the scheduler.", show_default=_default("steps")),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help=f"Scheduler: {', '.join(get_args(SchedulerName))}.", show_default="the model's own"
        ),
    ] = None,
    guidance: dict[str, float],
    panel_size: Annotated[
        str | None,
        typer.Option(help="Size of a panel in px, WIDTHxHEIGHT.", show_default="that of training"),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Rows of panels, 'A B / C D'.", show_default="that of training"),
    ] = None,
    canvas: Annotated[bool, typer.Option("--canvas", help="Save whole canvases too.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    warnings.simplefilter("ignore", FutureWarning)
    warnings.showwarning = lambda message, *_: print(f"{COMMAND}: {message}", file=sys.stderr)
    with ending(COMMAND, "stopped; finished pictures are kept", debug):
        if table is not None:
            _check_table_alone(image, again, count)
        values = _pairs("--value", value or [])
        request = _request(
            again,
            run=None if run is None else _located(run),
            task=task,
            model=None if model is None else _located(model),
            images={
                name: absolute(place) for name, place in _pairs("--image", image or []).items()
            },
            values=values,
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=seed,
            steps=steps,
            scheduler=scheduler,
            panel_size=_size(panel_size),
            layout=_layout(layout),
            **guidance,
        )
        if table is not None:
            _sample_table(request, table, output or Path("samples"), canvas)
        else:
            _sample(request, count, output or Path("sample.png"), canvas)


def _task(request: Request) -> Task:
    task = open_task(request.run, request.task)
    return task if request.layout is None else task.arranged(request.layout)


def _sample(request: Request, count: int, output: Path, canvas: bool) -> None:
    """One canvas, filled once or several times."""
    if output.suffix.lower() != ".png" or output.is_dir():
        raise TaskError(f"--output {output}: expected a file that ends with .png")
    task = _task(request).filling(request.images)
    began = time.monotonic()
    _check_values(task, request)
    known = _canvas(task, request)
    make_folder(output.parent)
    pipe = _open(task, request)
    pipe.set_progress_bar_config(disable=not sys.stderr.isatty(), leave=False)
    made, pictures = [], []
    for number in range(request.number, request.number + count):
        path = output if count == 1 else output.with_stem(f"{output.stem}-{number}")
        asked = request.model_copy(update={"number": number})
        filled = _fill(pipe, known, asked)
        made += _save(filled, _files(task, path, canvas), asked)
        pictures.append(filled.canvas if canvas else next(iter(filled.targets.values())))
    if count > 1:
        save_picture(contact_sheet(pictures), output)
        made.append(output)
    seconds = time.monotonic() - began
    print("\n".join([f"made {len(pictures)} in {seconds:.1f} s", *map(str, made)]))


def _sample_table(request: Request, table: Path, folder: Path, canvas: bool) -> None:
    """A picture for each row; those that are there are not made again."""
    if folder.suffix.lower() == ".png":
        raise TaskError(f"--output {folder}: with --table expected a folder")
    task = _task(request)
    task = task.filling(columns_of(table)) if task.recipe.target.choose else task
    _check_values(task, request)
    rows = read_table(table, task.inputs, _columns(task, request))
    wanted = {row.name: _of_row(request, row, folder / INPUTS) for row in rows}
    files = {name: _files(task, folder / f"{name}.png", canvas) for name in wanted}
    missing = {
        name for name, asked in wanted.items() if not _is_done(task, asked, files[name].values())
    }
    make_folder(folder)
    pipe = functools.cache(lambda: _open(task, request))
    reasons: dict[str, str] = {}
    report = open_report()
    report.begin(len(wanted), len(wanted) - len(missing), "sampling", "pictures")
    try:
        for name in filter(missing.__contains__, wanted):
            try:
                known = _canvas(task, wanted[name])
            except TaskError as error:
                reasons[name] = str(error)
                report.note(f"{name}: {error}")
            else:
                _save(_fill(pipe(), known, wanted[name]), files[name], wanted[name])
            report.advance(1)
    finally:
        report.end()
    results = [_result(name, files[name], reasons.get(name, "")) for name in wanted]
    print(
        f"made {len(missing) - len(reasons)} of {len(wanted)} pictures in {folder}, "
        f"{len(wanted) - len(missing)} were there, {len(reasons)} failed: "
        f"{write_results(folder, results)}"
    )
    if reasons:
        raise typer.Exit(1)


def _of_row(request: Request, row: TableRow, inputs: Path) -> Request:
    """What a row asks for; `inputs` is where images go that the table itself holds."""
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


def _open(task: Task, request: Request) -> OnePicPipeline:
    # The libraries take seconds to import, and mistakes are told without them.
    from .sample import open_pipeline

    return open_pipeline(task, request.model)


def _canvas(task: Task, request: Request) -> Canvas:
    return make_canvas(
        task,
        request.images,
        request.values,
        panel_size=request.panel_size,
        prompt=request.prompt,
    )


def _fill(pipe: OnePicPipeline, canvas: Canvas, request: Request) -> Filled:
    from .sample import fill

    return fill(pipe, canvas, request)


def _files(task: Task, path: Path, canvas: bool) -> dict[str, Path]:
    """The file of each target by name, and of the canvas if it is saved."""
    several = len(task.targets) > 1
    files = {
        name: path.with_stem(f"{path.stem}-{name}") if several else path for name in task.targets
    }
    return files | ({_CANVAS: path.with_stem(f"{path.stem}-canvas")} if canvas or several else {})


def _save(filled: Filled, files: Mapping[str, Path], request: Request) -> list[Path]:
    """Write what has a file; the files."""
    pictures = {**filled.targets, _CANVAS: filled.canvas}
    for name, file in files.items():
        save_picture(pictures[name], file, request)
    return list(files.values())


def _request(
    again: Path | None, *, images: dict[str, str], values: dict[str, str], **given: object
) -> Request:
    """What the options ask for, in place of what a picture says that is to be made again."""
    said: dict[str, Any] = read_request(again).model_dump(exclude_defaults=True) if again else {}
    if given["seed"] is not None:
        said.pop("number", None)
    settings = said | {name: setting for name, setting in given.items() if setting is not None}
    if "run" not in settings:
        raise TaskError("give a run, such as runs/colorization; see --help")
    settings["images"] = said.get("images", {}) | images
    settings["values"] = said.get("values", {}) | values
    try:
        return Request.model_validate(settings)
    except ValidationError as error:
        parts = (problem.partition(": ") for problem in problems(error))
        texts = [f"--{name.replace('_', '-')}: {text}" for name, _, text in parts]
        raise TaskError("; ".join(texts)) from error


def _check_table_alone(image: object, again: Path | None, count: int) -> None:
    if image:
        raise TaskError("--image and --table exclude each other: the table has the images")
    if again is not None or count != 1:
        other = "--count" if again is None else "--again"
        raise TaskError(f"{other} and --table exclude each other: a row is one new picture")


def _check_values(task: Task, request: Request) -> None:
    """Refuse values that the prompt has no place for."""
    columns = _columns(task, request)
    for name in request.values:
        if name not in columns:
            prompt = "the task's prompt" if request.prompt is None else "--prompt"
            raise TaskError(
                f"--value {name}: {prompt} has no such column; {suggest(name, columns)}"
            )


def _columns(task: Task, request: Request) -> list[str]:
    """The columns that the prompt names; one that is given has none."""
    if request.prompt is not None:
        return []
    return [field.column for field in task.recipe.template.fields]


def _located(place: str) -> str:
    """A folder that is there by its whole path; anything else may be on the Hub."""
    path = absolute(place)
    return path if place.startswith("~") or Path(path).is_dir() else place


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """``NAME=TEXT`` as a mapping."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, rest = text.partition("=")
        if not (separator and name and rest):
            raise TaskError(f"{option} {text}: expected NAME=VALUE")
        if name in found:
            raise TaskError(f"{option} {text}: {name} is given twice")
        found[name] = rest
    return found


def _layout(text: str | None) -> list[list[str]] | None:
    """``grey colour / grey grey`` as rows of panels."""
    return None if text is None else [row.split() for row in text.split("/")]


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    size = parse_size(text)
    if size is None:
        raise TaskError(f"--panel-size {text}: expected WIDTHxHEIGHT, such as 512x384")
    return size
