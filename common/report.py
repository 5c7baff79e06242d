"""Reports of a run while it works: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import time
from datetime import timedelta
from typing import Protocol

from .secrets import without_secrets

#: Seconds between two progress lines in a log.
INTERVAL = 10.0


class Report(Protocol):
    """Something that is told how a run goes."""

    def note(self, text: str) -> None:
        """Say something once."""
        ...

    def begin(self, total: int, done: int = 0, verb: str = "compiling", unit: str = "rows") -> None:
        """Begin a job of `total` parts; rates leave out the `done` that an earlier run did."""
        ...

    def advance(self, count: int, text: str = "") -> None:
        """Count parts as done; `text` holds other figures, which stand until the next ones."""
        ...

    def end(self) -> None:
        """No more will come."""
        ...


class Silent:
    """Says nothing; for notebooks and tests."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def begin(self, total: int, done: int = 0, verb: str = "compiling", unit: str = "rows") -> None:
        """Say nothing."""

    def advance(self, count: int, text: str = "") -> None:
        """Say nothing."""

    def end(self) -> None:
        """Say nothing."""


class Lines:
    """Plain lines on stderr, one every `INTERVAL` seconds."""

    def note(self, text: str) -> None:
        """Print a line."""
        print(without_secrets(text), file=sys.stderr, flush=True)

    def begin(
        self,
        total: int,
        done: int = 0,
        verb: str = "compiling",  # noqa: ARG002 - a log says once what is being done
        unit: str = "rows",
    ) -> None:
        """Begin to count."""
        self._pace = _Pace(total, done, unit)
        self._said = time.monotonic()

    def advance(self, count: int, text: str = "") -> None:
        """Count, and say so now and then."""
        self._pace.advance(count, text)
        if time.monotonic() - self._said >= INTERVAL:
            self._said = time.monotonic()
            self.note(self._pace.describe())

    def end(self) -> None:
        """Do nothing: lines leave nothing open."""


class Bar:
    """A progress bar on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        # Where the terminal is narrow the last figures are cut off, and not the first.
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[line]}", markup=False, table_column=Column(no_wrap=True)),
            console=Console(stderr=True),
        )

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        text = without_secrets(text)
        self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, total: int, done: int = 0, verb: str = "compiling", unit: str = "rows") -> None:
        """Show the bar."""
        self._pace = _Pace(total, done, unit)
        line = self._pace.describe()
        self._task = self._progress.add_task(verb, total=total, completed=done, line=line)
        self._progress.start()

    def advance(self, count: int, text: str = "") -> None:
        """Move the bar."""
        self._pace.advance(count, text)
        self._progress.update(self._task, advance=count, line=self._pace.describe())

    def end(self) -> None:
        """Leave the bar as it is."""
        self._progress.stop()


class _Pace:
    """How much of a job is done, and how fast it goes since this run began."""

    def __init__(self, total: int, done: int, unit: str) -> None:
        self._total, self._done, self._unit, self._text = total, done, unit, ""
        self._before, self._began = done, time.monotonic()

    def advance(self, count: int, text: str) -> None:
        """Count parts as done; other figures stand until the next ones."""
        self._done += count
        self._text = text or self._text

    def describe(self) -> str:
        """``250/400 steps, 1.25 steps/s, 0:02:00 left``, and the other figures."""
        rate = (self._done - self._before) / max(time.monotonic() - self._began, 1e-6)
        parts = [f"{self._done}/{self._total} {self._unit}", f"{_figure(rate)} {self._unit}/s"]
        if rate:
            parts.append(f"{timedelta(seconds=round((self._total - self._done) / rate))} left")
        return ", ".join([*parts, self._text] if self._text else parts)


def _figure(rate: float) -> str:
    """At least three significant digits and one decimal: 0.0123, 1.23, 12.3, 123.4."""
    decimals = 2 - math.floor(math.log10(rate)) if rate > 0 else 1
    return f"{rate:.{min(max(decimals, 1), 6)}f}"


def open_report() -> Report:
    """The report that suits where stderr goes."""
    return Bar() if sys.stderr.isatty() else Lines()
