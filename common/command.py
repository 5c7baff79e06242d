"""How every command ends: errors in one line without secrets, and the exit codes."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from .errors import OnepicError
from .secrets import without_secrets


@contextmanager
def ending(command: str, stopped: str, debug: bool = False) -> Iterator[None]:
    """Turn an error into a line and its exit code, and Ctrl-C into what `stopped` says and 130.

    With `debug` the traceback comes first, its causes included; of what is no `OnepicError` it is
    always printed.
    """
    try:
        yield
    except OnepicError as error:
        if debug:
            _print_traceback()
        fail(command, str(error), error.exit_code)
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # a fault of ours: libraries put addresses into its messages
        _print_traceback()
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        fail(command, stopped, 130)


def end_on_sigterm() -> None:
    """Make SIGTERM end the command as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)


def fail(command: str, message: str, code: int) -> NoReturn:
    """End the command with a line on standard error."""
    print(f"{command}: {without_secrets(message)}", file=sys.stderr)
    raise typer.Exit(code)


def _print_traceback() -> None:
    print(without_secrets(traceback.format_exc()), file=sys.stderr)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
