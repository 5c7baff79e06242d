"""The command ``onepic-publish``."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from ..errors import OnepicError
from ..report import open_report
from ..secrets import without_secrets
from .publish import Destination, publish_dataset
from .summary import list_changes, summarise

EXAMPLES = """
Put a compiled dataset on the Hub.

Examples:

  onepic-publish data/tryon USER/tryon-canvases

  onepic-publish data/tryon USER/tryon-canvases --dry-run

  onepic-publish data/tryon USER/tryon-canvases --private --revision v2

  onepic-publish data/tryon OTHER/canvases --pull-request

Log in first: hf auth login. The dataset is checked before and after, and only what is missing or
changed there is sent. A run that was stopped goes on where it was when the same command is given
again. Exit codes: 0 done, 1 the dataset is damaged or the Hub failed, 2 the call was wrong or the
Hub refuses, 130 stopped by Ctrl-C.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def publish_command(
    dataset: Annotated[Path, typer.Argument(help="A folder made by onepic-compile.")],
    repository: Annotated[str, typer.Argument(help="USER/NAME, made where it is missing.")],
    private: Annotated[
        bool, typer.Option("--private", help="Only for you, or for the organization.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="A branch, made where it is missing, or refs/pr/N.", show_default="main"),
    ] = None,
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Open a pull request with it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent; change nothing.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    if pull_request and revision is not None:
        _fail("--pull-request opens a new one from main: leave --revision out", 2)
    destination = Destination(repository, revision, private, pull_request)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        made = publish_dataset(dataset, destination, dry_run=dry_run, report=open_report())
    except OnepicError as error:
        if debug:  # of causes, too, nothing secret is shown
            print(without_secrets(traceback.format_exc()), file=sys.stderr)
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("stopped; what has arrived stays there, run again to continue", 130)
    print("\n".join(list_changes(made) if dry_run else summarise(made)))


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    print(f"onepic-publish: {without_secrets(message)}", file=sys.stderr)
    raise typer.Exit(code)
