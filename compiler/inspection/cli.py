"""The command ``onepic-inspect``."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console, RenderableType
from rich.text import Text

from ...common.command import ending, fail
from ...common.errors import OutputError
from ...common.files import write_whole
from ...common.report import open_report
from ...dataset.catalogue import Catalogue, open_catalogue
from ...dataset.remarks import doubts_in
from ...dataset.stores.local import LocalStore
from .facts import Facts, gather_facts
from .selection import draw_selection
from .single import read_one, sample_lines
from .summary import to_json, to_lines, to_tables

COMMAND = "onepic-inspect"
EXAMPLES = """
Look at a compiled dataset: what is in it, what is wrong with it, and how it looks.

Examples:

  onepic-inspect data/colorization

  onepic-inspect data/colorization --html colorization.html

  onepic-inspect data/colorization --image 3

  onepic-inspect hf://datasets/USER/colorization

Counts come from the indexes of all samples; latents and masks from a selection of them, which is
the same for the same --seed. From a URL no more than these is fetched, or little more. Checksums
are compared by onepic-compile --verify. Exit codes: 0 done, 1 the dataset has problems, which are
listed, or --strict is given and there are doubts, 2 the call was wrong, 130 stopped by Ctrl-C.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def inspect_command(
    dataset: Annotated[
        str,
        typer.Argument(help="A folder made by onepic-compile, or a URL that fsspec opens."),
    ],
    html: Annotated[
        Path | None, typer.Option(help="Write a page for a browser into this file.")
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Number of samples on the page.", min=1, max=1000)
    ] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the choice of samples.", min=0)] = 0,
    image: Annotated[
        int | None,
        typer.Option(help="Decode this sample, counted from 0, beside its mask.", min=0),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File of the picture that --image draws, a PNG.", show_default="DATASET-N.png"
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 where there are doubts.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    if wrong := _what_is_wrong(html, image, output, json_, strict):
        fail(COMMAND, wrong, 2)
    with ending(COMMAND, "stopped; nothing was changed", debug):
        catalogue = open_catalogue(dataset)
        if image is not None:
            _show_sample(catalogue, image, output)
        else:
            facts = _inspect(catalogue, html, samples, seed, json_)
            doubts = doubts_in(facts.remarks)
            if strict and doubts:
                fail(COMMAND, f"{catalogue.name}: --strict and {doubts}", 1)
            if facts.problems:
                raise typer.Exit(1)


def _what_is_wrong(
    html: Path | None, image: int | None, output: Path | None, json_: bool, strict: bool
) -> str | None:
    """Why a call cannot be carried out; None where it can."""
    if image is not None and (html is not None or json_ or strict):
        return "--image shows one sample: give it without --html, --json and --strict"
    if output is not None and image is None:
        return "--output names the picture of --image; a page is named by --html"
    return None


def _inspect(
    catalogue: Catalogue, html: Path | None, samples: int, seed: int, as_json: bool
) -> Facts:
    """Print what is known of a dataset, and write its page."""
    selection = draw_selection(catalogue.samples, seed)
    report = open_report()
    facts = gather_facts(catalogue, selection, report)
    if html is not None:
        from .page import render_page

        _write(html, render_page(catalogue, facts, selection.numbers[:samples], report).encode())
    if as_json:
        print(to_json(facts))
    elif sys.stdout.isatty():
        _print(to_tables(facts))
    else:
        print("\n".join(to_lines(facts)))
    if html is not None and not as_json:
        print(f"page: {html}")
    return facts


def _show_sample(catalogue: Catalogue, number: int, output: Path | None) -> None:
    sample = read_one(catalogue, number)
    print("\n".join(sample_lines(sample)), flush=True)
    # Loading the VAE takes seconds, and only this needs it.
    from ...backbones.model import load_vae
    from .picture import canvas_beside_mask, decode_canvas, draw_in_blocks

    model = catalogue.info.model
    vae = load_vae(model.name, model.revision)
    picture = canvas_beside_mask(decode_canvas(vae, sample, model), sample)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    path = output or Path(f"{_short_name(catalogue)}-{number}.png")
    _write(path, buffer.getvalue())
    if sys.stdout.isatty():
        _print(draw_in_blocks(picture, Console().width))
    print(f"picture: {path}, the canvas as its latents say, what is learned outlined, and its mask")
    if not np.isfinite(sample.latents).all():
        raise typer.Exit(1)


def _short_name(catalogue: Catalogue) -> str:
    """The name of a dataset where it lies: its folder's name, or NAME of USER/NAME."""
    if isinstance(catalogue.store, LocalStore):
        return catalogue.store.folder.resolve().name
    return catalogue.name.rstrip("/").rpartition("/")[2].partition("@")[0]


def _print(lines: Iterable[RenderableType]) -> None:
    console = Console(highlight=False, markup=False)
    for line in lines:
        # A command that is longer than a line is still one when it is copied.
        console.print(line, soft_wrap=isinstance(line, Text))


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
