"""The command ``onepic-compile``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ..canvas.sizes import parse_size
from ..common.command import end_on_sigterm, ending, fail
from ..common.errors import OutputError, RecipeError, RunError
from ..common.hub import make_repository
from ..common.report import open_report
from ..common.yaml_file import Override
from ..dataset.dataset import open_dataset
from ..dataset.names import CANVASES, REJECTED
from ..dataset.remarks import doubts_in, remark_lines, remarks_of
from .compile import compile_dataset
from .delivery.hub_folder import parse_address
from .engines.engine import Scheduling
from .outcome import Summary
from .publishing import Destination, publish_dataset
from .publishing.summary import summarise
from .recipe import Recipe, recipe_schema
from .recipe_file import RECIPE, read_recipe
from .sources import infer_source

COMMAND = "onepic-compile"
EXAMPLES = """
Compile a recipe into a dataset of canvas latents and masks.

Examples:

  onepic-compile recipes/colorization.yaml

  onepic-compile recipes/colorization.yaml --source ~/photos
  --model stabilityai/stable-diffusion-xl-base-1.0 --output data/colorization

  onepic-compile recipes/colorization.yaml --set panels.grey.apply=[grayscale,blur]

  onepic-compile recipes/colorization.yaml --push-to-hub USER/colorization

  onepic-compile recipes/colorization.yaml --output s3://BUCKET/colorization

  onepic-compile recipes/colorization.yaml --output hf://datasets/USER/colorization

  onepic-compile --verify data/colorization

  onepic-compile --verify hf://datasets/USER/colorization

A run that was stopped goes on where it was when the same command is given again. Exit codes: 0
done, 1 the run failed, or --strict is given and there are doubts, 2 the call or the recipe was
wrong, 130 stopped by Ctrl-C.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def compile_command(
    recipe: Annotated[Path | None, typer.Argument(help="The recipe, a YAML file.")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help="Source of the rows: a folder, a table, tars, a Hub id, photos or scenes."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model: a diffusers folder or a Hub id.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            help="The dataset's folder, or a URL, to which each shard is sent and then deleted "
            "here: hf://datasets/USER/NAME, s3://BUCKET/NAME or another that fsspec opens.",
            show_default="data/TASK",
        ),
    ] = None,
    panel_size: Annotated[
        str | None, typer.Option(help="Size of a panel in px, WIDTHxHEIGHT, or auto.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of rows to compile, from the first.", min=1)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Replace a key of the recipe: panels.grey.apply=[grayscale]."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Number of shards in work at once.", min=1, show_default="CPU cores")
    ] = os.cpu_count() or 1,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster: auto, or ray://HOST:PORT.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Work in this process, without Ray.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with code 1 where something may be wrong with the data. The dataset is "
            "kept, and --push-to-hub does not publish it.",
        ),
    ] = False,
    verify: Annotated[
        str | None,
        typer.Option(help="Check every checksum and count of a dataset, in a folder or at a URL."),
    ] = None,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            help="Repository on the Hub that the finished dataset is published in, USER/NAME."
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option("--private", help="Make the repository on the Hub private."),
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of recipes.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    kept = "complete shards are kept, run again to continue"
    stopped = f"stopped; {kept if verify is None else 'nothing was changed'}"
    with ending(COMMAND, stopped, debug):
        if schema:
            print(json.dumps(recipe_schema(), indent=2))
        elif verify is not None:
            _verify(verify)
        elif recipe is None:
            raise RecipeError("give a recipe, such as recipes/colorization.yaml; see --help")
        else:
            overrides = [
                *_flags(source, model, panel_size, limit),
                *(Override.parse(text, RECIPE) for text in set_ or ()),
            ]
            on_hub = _find_destination(output, push_to_hub, private)
            scheduling = Scheduling(workers, local, ray_address)
            _compile(recipe, overrides, output, scheduling, on_hub, strict)


def _flags(
    source: str | None, model: str | None, panel_size: str | None, limit: int | None
) -> list[Override]:
    """The common options as overrides of the recipe."""
    found = []
    if source is not None:
        found.append(Override(("source",), infer_source(source), f"--source {source}"))
    if model is not None:
        found.append(Override(("model",), model, f"--model {model}"))
    if panel_size is not None:
        option = f"--panel-size {panel_size}"
        found.append(Override(("panel_size",), _parse_size(panel_size, option), option))
    if limit is not None:
        found.append(Override(("limit",), limit, f"--limit {limit}"))
    return found


def _parse_size(text: str, option: str) -> str | dict[str, int]:
    if text == "auto":
        return text
    size = parse_size(text)
    if size is None:
        raise RecipeError(f"{option}: expected WIDTHxHEIGHT, such as 512x384, or auto")
    return dict(zip(("width", "height"), size, strict=True))


def _find_destination(
    output: str | None, push_to_hub: str | None, private: bool
) -> Destination | None:
    """Where on the Hub the dataset goes; None where it does not."""
    is_url = output is not None and "://" in output
    if push_to_hub is not None and is_url:
        raise OutputError(
            "--push-to-hub publishes from this machine: give a folder as --output, or leave it out "
            "and give --output hf://datasets/USER/NAME"
        )
    if push_to_hub is not None:
        return Destination(push_to_hub, private=private)
    if output is not None and output.startswith("hf://"):
        return Destination(*parse_address(output), private)
    if private:
        raise OutputError(
            "--private is for the Hub: give --push-to-hub USER/NAME or --output "
            "hf://datasets/USER/NAME with it, or leave it out"
        )
    return None


def _compile(
    path: Path,
    overrides: list[Override],
    output: str | None,
    scheduling: Scheduling,
    on_hub: Destination | None,
    strict: bool,
) -> None:
    recipe = read_recipe(path, overrides)
    end_on_sigterm()
    if on_hub is not None:  # a wrong name or login is told before the work
        make_repository(on_hub.repository, "dataset", on_hub.private)
    summary = compile_dataset(
        recipe,
        output,
        recipe_folder=path.parent,
        scheduling=scheduling,
        report=open_report(),
    )
    print("\n".join(_describe(recipe, summary)), flush=True)
    doubts = doubts_in(remarks_of(summary.findings))
    if strict and doubts:
        raise RunError(f"{summary.url or summary.output} is complete, but --strict and {doubts}")
    if on_hub is None or summary.url is not None:
        print(f"next: onepic-train {summary.url or summary.output}")
        return
    published = publish_dataset(summary.output, on_hub, report=open_report())
    print("\n".join(summarise(published)))


def _describe(recipe: Recipe, summary: Summary) -> list[str]:
    """The summary that ends a run: what was made, and where."""
    totals, output = summary.totals, summary.url or summary.output
    lines = []
    if summary.made:
        rate = totals["samples"] / summary.seconds if summary.made == totals["shards"] else None
        speed = f" ({rate:.1f} samples/s)" if rate else ""
        lines.append(
            f"made {summary.made} of {totals['shards']} shards in {summary.seconds:.1f} s{speed}"
        )
    else:
        lines.append(f"nothing to do: {totals['shards']} shards are up to date")
    saved = max(0, 1 - totals["distinct_panels"] / max(1, totals["panels"]))
    lines += [
        f"{output}: {totals['samples']} samples of {recipe.task}, {totals['bytes'] / 1e6:.1f} MB; "
        f"{totals['distinct_panels']} panels encoded, {saved:.0%} saved as equal ones",
    ]
    canvases = f"canvases: {summary.output / CANVASES}"
    if summary.url is None:
        lines.append(f"{canvases}; onepic-inspect {output} shows more")
    else:
        lines.append(canvases)
        lines.append(
            f"sent {summary.sent} shards to {summary.url}; their indexes are kept in "
            f"{summary.output}"
        )
    if summary.filters:
        rows = totals["samples"] + totals["rejected"] + totals["dropped"]
        counts = ", ".join(f"{label} {number}" for label, number in summary.filters.items())
        lines.append(
            f"filters: {totals['dropped']} of {rows} rows dropped ({counts}), see "
            f"{summary.output / REJECTED}"
        )
    if totals["rejected"]:
        lines.append(f"rejected: {totals['rejected']} rows, see {summary.output / REJECTED}")
    if totals["cut_prompts"]:
        lines.append(
            f"prompts: {totals['cut_prompts']} are longer than the text encoders take and were cut"
        )
    return [*lines, *remark_lines(remarks_of(summary.findings))]


def _verify(place: str) -> None:
    dataset = open_dataset(place)
    problems = dataset.verify(open_report())
    if problems:
        commands = "onepic-compile or onepic-publish" if "://" in place else "onepic-compile"
        advice = f"{dataset.name}: run {commands} again to restore it"
        fail(COMMAND, "\n".join([*problems, advice]), 1)
    totals = dataset.info.totals
    where = f"{dataset.name} at commit {dataset.commit}" if dataset.commit else dataset.name
    print(f"{where}: {totals.samples} samples in {totals.shards} shards are sound")
