"""The command ``onepic-publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...common.command import end_on_sigterm, ending, fail
from ...common.report import open_report
from .publish import Destination, publish_dataset
from .summary import list_changes, summarise

COMMAND = "onepic-publish"
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
    repository: Annotated[
        str, typer.Argument(help="Repository on the Hub, USER/NAME; made if missing.")
    ],
    private: Annotated[
        bool,
        typer.Option("--private", help="Make the repository private, for you or the organization."),
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch, made where it is missing, or refs/pr/N.", show_default="main"),
    ] = None,
    pull_request: Annotated[
        bool, typer.Option("--pull-request", help="Open a pull request with the dataset.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be sent; change nothing.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Do what the options say, with errors in one line and the exit codes that `EXAMPLES` names."""
    if pull_request and revision is not None:
        fail(COMMAND, "--pull-request opens a new one from main: leave --revision out", 2)
    destination = Destination(repository, revision, private, pull_request)
    end_on_sigterm()
    with ending(COMMAND, "stopped; what has arrived stays there, run again to continue", debug):
        made = publish_dataset(dataset, destination, dry_run=dry_run, report=open_report())
    print("\n".join(list_changes(made) if dry_run else summarise(made)))
