"""What a run tells while it works: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import math
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

    def begin(self, total: int, done: int = 0, verb: str = "compiling", unit: str = "rows") -> None:
        """So much is to be done, of which an earlier run did `done`; rates leave that out."""
        ...

    def advance(self, count: int, text: str = "") -> None:
        """So much more is done; `text` holds other figures, which stand until the next ones."""
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
        print(text, file=sys.stderr, flush=True)

    def begin(
        self,
        total: int,
        done: int = 0,
        verb: str = "compiling",  # noqa: ARG002 - a log says once what is being done
        unit: str = "rows",
    ) -> None:
        """Begin to count."""
        self._pace = _Pace(total, done)
        self._unit, self._text = unit, ""
        self._said = time.monotonic()

    def advance(self, count: int, text: str = "") -> None:
        """Count, and say so now and then."""
        self._pace.done += count
        self._text = text or self._text
        if time.monotonic() - self._said >= INTERVAL:
            self._said = time.monotonic()
            self.note(self._line())

    def _line(self) -> str:
        pace, rate = self._pace, self._pace.rate()
        parts = [f"{pace.done}/{pace.total} {self._unit}", f"{_figure(rate)} {self._unit}/s"]
        if rate:
            parts.append(f"{timedelta(seconds=round((pace.total - pace.done) / rate))} left")
        if self._text:
            parts.append(self._text)
        return ", ".join(parts)

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
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}, {task.fields[rate]} {task.fields[unit]}/s,"),
            TimeRemainingColumn(),
            TextColumn("left{task.fields[text]}", markup=False),
            console=Console(stderr=True),
        )

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, total: int, done: int = 0, verb: str = "compiling", unit: str = "rows") -> None:
        """Show the bar."""
        self._pace, self._text = _Pace(total, done), ""
        self._task = self._progress.add_task(
            verb, total=total, completed=done, unit=unit, rate=_figure(0), text=""
        )
        self._progress.start()

    def advance(self, count: int, text: str = "") -> None:
        """Move the bar."""
        self._pace.done += count
        self._text = f", {text}" if text else self._text
        rate = _figure(self._pace.rate())
        self._progress.update(self._task, advance=count, rate=rate, text=self._text)

    def end(self) -> None:
        """Leave the bar as it is."""
        self._progress.stop()


class _Pace:
    """How much of a job is done, and how fast it goes since this run began."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._before, self._began = done, time.monotonic()

    def rate(self) -> float:
        """Units per second."""
        return (self.done - self._before) / max(time.monotonic() - self._began, 1e-6)


def _figure(rate: float) -> str:
    """At least three significant digits and one decimal: 0.0123, 1.23, 12.3, 123.4."""
    decimals = 2 - math.floor(math.log10(rate)) if rate > 0 else 1
    return f"{rate:.{min(max(decimals, 1), 6)}f}"


def open_report() -> Report:
    """The report that suits where stderr goes."""
    return Bar() if sys.stderr.isatty() else Lines()
