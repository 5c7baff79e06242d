"""The command ``onepic-sample``."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated, get_args

import typer

from ..common.command import ending
from ..common.options import with_options
from .asked import check_table_alone, layout_of, located, pairs, request_of, size_of
from .guidance import Guidance
from .pictures import sample_one
from .request import Request, SchedulerName, absolute
from .rows import sample_table

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
    operations: Annotated[
        list[Path] | None,
        typer.Option(
            help="Python file with operations of the task, which is run; none that came with the "
            "adapter is."
        ),
    ] = None,
    canvas: Annotated[bool, typer.Option("--canvas", help="Save whole canvases too.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    warnings.simplefilter("ignore", FutureWarning)
    warnings.showwarning = lambda message, *_: print(f"{COMMAND}: {message}", file=sys.stderr)
    with ending(COMMAND, "stopped; finished pictures are kept", debug):
        if table is not None:
            check_table_alone(image, again, count)
        values = pairs("--value", value or [])
        request = request_of(
            again,
            run=None if run is None else located(run),
            task=task,
            model=None if model is None else located(model),
            images={name: absolute(place) for name, place in pairs("--image", image or []).items()},
            values=values,
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=seed,
            steps=steps,
            scheduler=scheduler,
            panel_size=size_of(panel_size),
            layout=layout_of(layout),
            **guidance,
        )
        if table is not None:
            folder = output or Path("samples")
            if sample_table(request, table, folder, canvas, operations or ()):
                raise typer.Exit(1)
        else:
            picture = output or Path("sample.png")
            sample_one(request, count, picture, canvas, operations or ())
