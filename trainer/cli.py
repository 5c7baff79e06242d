"""The command ``onepic-train``."""

from __future__ import annotations

import json
import logging
import math
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

import typer
import yaml
from pydantic import BaseModel

from ..common.command import ending
from ..common.errors import RunError, SettingsError
from ..common.report import open_report
from ..common.secrets import public_place
from ..common.yaml_file import Override
from .settings import SETTINGS, Settings, check_exports, read_settings
from .stopwatch import Stopwatch
from .task_card import TASK_CARD

if TYPE_CHECKING:
    from .run import Run
    from .training import Summary

COMMAND = "onepic-train"
EXAMPLES = """
Train an adapter on compiled datasets.

Examples:

  onepic-train data/colorization --output runs/colorization

  onepic-train data/colorization --output runs/colorization
  --steps 400 --batch-size 8 --learning-rate 1e-3

  onepic-train hf://datasets/USER/tryon-canvases --output runs/tryon

  onepic-train data/edit data/tryon --output runs/both --set weights=[2,1]
  --set adapter.kind=dora

  accelerate launch -m onepic.trainer data/colorization --output runs/colorization
  --config train.yaml

All settings are keys of the YAML file that --config names and of --set; --settings lists them. A
run that was stopped goes on when the same command is given again with --resume. Exit codes: 0 done,
1 the run failed, 2 the call or the settings were wrong, 130 stopped by Ctrl-C.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
_began = Stopwatch()


@app.command(help=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def train_command(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders made by onepic-compile, or URLs: hf://datasets/USER/NAME@REVISION."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The run's folder.", show_default="runs/DATASET")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="File of settings in YAML.")] = None,
    steps: Annotated[int | None, typer.Option(help="Number of updates of the weights.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Number of samples at once on a device.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Learning rate of the optimizer.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The base model: a diffusers folder or Hub id.", show_default="the datasets' own"
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(
            help="A dataset to validate on, in place of held-out samples; can be given again."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Replace a setting: adapter.rank=16.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint in the output.")
    ] = False,
    export: Annotated[
        list[str] | None,
        typer.Option(help="Further form of the adapter: kohya, for ComfyUI and A1111."),
    ] = None,
    push_to_hub: Annotated[
        str | None,
        typer.Option(help="Repository on the Hub that the finished run is uploaded to, USER/NAME."),
    ] = None,
    pictures: Annotated[
        int,
        typer.Option(
            help="Number of held-out samples drawn at each validation; loads the VAE.", min=0
        ),
    ] = 0,
    cache_size: Annotated[
        float,
        typer.Option(help="Size of the cache of remote shards on this machine, in GB.", min=0.001),
    ] = 100.0,
    settings_: Annotated[
        bool, typer.Option("--settings", help="List all settings with their defaults.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    flags = {
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "model": model,
        "validation": validation or None,
    }
    with ending(COMMAND, "stopped; give the same command with --resume to go on", debug):
        if settings_:
            print("\n".join(_list_settings()))
        elif not datasets:
            raise SettingsError("give a dataset, such as data/colorization; see --help")
        else:
            overrides = [
                *(
                    Override((name,), value, f"--{name.replace('_', '-')} {value}")
                    for name, value in flags.items()
                    if value is not None
                ),
                *(Override.parse(text, SETTINGS) for text in set_ or ()),
            ]
            settings = read_settings(config, overrides)
            output = output or Path("runs") / _name(datasets[0])
            _train(
                datasets, output, settings, resume, export or [], push_to_hub, cache_size, pictures
            )


def _train(
    datasets: list[str],
    output: Path,
    settings: Settings,
    resume: bool,
    exports: list[str],
    repository: str | None,
    cache_size: float,
    pictures: int,
) -> None:
    check_exports(exports, settings)
    # The libraries take seconds to import, and the mistakes above are told without them.
    from accelerate import PartialState

    from ..common.hub import make_repository
    from ..dataset.stores.cache import CacheSettings
    from .failures import NotFiniteRunError
    from .publish import push_to_hub
    from .training import train

    logging.getLogger("accelerate").setLevel(logging.ERROR)
    _began.lap("imports")
    cache = CacheSettings(limit=int(cache_size * 1e9))
    if repository is not None:
        make_repository(repository, "model")
    try:
        summary = train(
            datasets,
            output,
            settings,
            resume=resume,
            exports=exports,
            cache=cache,
            pictures=_draw_held_out(pictures) if pictures else None,
            report=open_report(),
            watch=_began,
        )
    except NotFiniteRunError as error:
        if PartialState().num_processes > 1:  # how they were launched is not known here
            raise
        command = shlex.join([COMMAND, *sys.argv[1:], *error.options])
        raise RunError(f"{error}; without the samples:\n{command}") from error
    if PartialState().is_main_process:
        print("\n".join(_summarise(summary)))
        if repository is not None:
            print(f"published: {push_to_hub(output, repository)}")


def _draw_held_out(count: int) -> Callable[[Run], None]:
    # The sampler stands on the trainer; only the command knows both.
    from ..sampler import HeldOutPictures

    return HeldOutPictures(count)


def _summarise(summary: Summary) -> list[str]:
    """What was made, where, and what comes next."""
    lines = [f"trained {summary.steps} steps; the adapter is {summary.weights}"]
    for name, ends in (("loss", summary.losses), ("validation loss", summary.validation)):
        if ends is not None:
            lines.append(f"{name}: {ends[0]:.4f} at first, {ends[1]:.4f} at last")
    return [*lines, f"about it: {summary.output / 'README.md'}", f"next: {_next(summary.output)}"]


def _next(run: Path) -> str:
    """The command that samples a run, with the first task's context panels."""
    tasks = json.loads((run / TASK_CARD).read_text(encoding="utf-8"))["tasks"]
    name, task = next(iter(tasks.items()))
    recipe = task["recipe"]
    shown = dict.fromkeys(panel for row in recipe["layout"] for panel in row)
    context = [panel for panel in shown if panel not in recipe["target"]["panels"]]
    # Where targets are drawn for each sample, every panel can be one: show how to give the first.
    given = context or list(shown)[:1]
    words = ["onepic-sample", str(run), *(f"--image {panel}=FILE" for panel in given)]
    return " ".join([*words, f"--task {name}"] if len(tasks) > 1 else words)


def _list_settings(model: type[BaseModel] = Settings, indent: str = "") -> list[str]:
    """Every setting, its default, and what it is, as a file for --config."""
    lines = []
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            lines += [f"{indent}{name}:", *_list_settings(type(default), indent + "  ")]
            continue
        value = yaml.safe_dump(default, default_flow_style=True, width=math.inf).splitlines()[0]
        is_choice = get_origin(field.annotation) is Literal
        choices = f"One of {', '.join(get_args(field.annotation))}." if is_choice else ""
        comment = " ".join(part for part in (choices, field.description) if part)
        lines.append(f"{indent}{name}: {value}" + (f"  # {comment}" if comment else ""))
    return lines


def _name(dataset: str) -> str:
    """The last part of a dataset's path or URL; ``.`` has none before it is resolved."""
    if "://" in dataset:
        return Path(public_place(dataset).partition("@")[0]).name
    return Path(dataset).name or Path(dataset).resolve().name
