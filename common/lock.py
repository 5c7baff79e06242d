"""One run at a time in an output folder."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError, RunError

_RUN = "run"


@contextmanager
def locked(output: Path, state: str) -> Iterator[str]:
    """Hold the output folder for this run; yields the run's token.

    The lock lies in the sub-folder `state`. It is the kernel's, so it goes with the process,
    however that ends.

    Raises:
        OutputError: when another run holds it, or the folder cannot be made.
    """
    folder = output / state
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(f"{output}: cannot write there: {error.strerror}") from error
    try:
        _take(handle, output)
        token = secrets.token_hex(8)
        (folder / _RUN).write_text(token)
        yield token
    finally:
        os.close(handle)


def _take(handle: int, output: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
        raise OutputError(
            f"{output} is in use by another run ({holder}); wait for it or give another --output"
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def check_token(output: Path, state: str, token: str) -> None:
    """Refuse to go on for a run that is over: a worker can outlive a killed run.

    `token` is what `locked` gave to the run, with the same `state`.

    Raises:
        RunError: when another run has begun since.
    """
    current = (output / state / _RUN).read_text()
    if current != token:
        raise RunError(f"{output}: another run has taken over; this worker stops")
