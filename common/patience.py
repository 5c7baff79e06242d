"""Trying again what may succeed in a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def patiently(
    call: Callable[[], T],
    waits: Sequence[float],
    may_pass: Callable[[Exception], bool],
    note: Callable[[Exception, float], None] | None = None,
) -> T:
    """Call a function until it succeeds: once more after each of `waits`, in seconds.

    Args:
        call: what may fail; each call has to be whole.
        waits: the seconds before each further try.
        may_pass: whether a failure is worth another try; any other is raised at once.
        note: is told each failure and the seconds until the next try.

    What the last try raises is raised as it is.
    """
    for wait in waits:
        try:
            return call()
        except Exception as error:  # whatever `may_pass` knows
            if not may_pass(error):
                raise
            if note:
                note(error, wait)
            time.sleep(wait)
    return call()
