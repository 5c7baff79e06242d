"""What a run tells while it works: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Protocol

#: Seconds between two progress lines in a log.
INTERVAL = 10.0


class Report(Protocol):
    """Something that is told how a run goes."""

    def note(self, text: str) -> None:
        """Say something once."""
        ...

    def begin(self, rows: int) -> None:
        """So many rows will be compiled."""
        ...

    def advance(self, rows: int) -> None:
        """So many more rows are prepared."""
        ...

    def end(self) -> None:
        """No more rows will come."""
        ...


class Silent:
    """Says nothing; for notebooks and tests."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def begin(self, rows: int) -> None:
        """Say nothing."""

    def advance(self, rows: int) -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""


class Lines:
    """Plain lines on stderr, one every `INTERVAL` seconds."""

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=sys.stderr, flush=True)

    def begin(self, rows: int) -> None:
        """Begin to count."""
        self._total, self._done = rows, 0
        self._began = self._said = time.monotonic()

    def advance(self, rows: int) -> None:
        """Count, and say so now and then."""
        self._done += rows
        if time.monotonic() - self._said >= INTERVAL:
            self._said = time.monotonic()
            rate = self._done / (self._said - self._began)
            left = timedelta(seconds=round((self._total - self._done) / rate))
            self.note(f"{self._done}/{self._total} rows, {rate:.1f} rows/s, {left} left")

    def end(self) -> None:
        """Nothing is open."""


class Bar:
    """A progress bar on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("compiling"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("rows, {task.fields[rate]:.1f} rows/s,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
        )

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, rows: int) -> None:
        """Show the bar."""
        self._began = time.monotonic()
        self._task = self._progress.add_task("rows", total=rows, rate=0.0)
        self._progress.start()

    def advance(self, rows: int) -> None:
        """Move the bar."""
        self._progress.advance(self._task, rows)
        done = self._progress.tasks[0].completed
        rate = done / max(time.monotonic() - self._began, 1e-6)
        self._progress.update(self._task, rate=rate)

    def end(self) -> None:
        """Leave the bar as it is."""
        self._progress.stop()


def open_report() -> Report:
    """The report that suits where stderr goes."""
    return Bar() if sys.stderr.isatty() else Lines()
