"""Where the time from the command to the first step goes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Seconds of each part since `began`, a time of `time.perf_counter`."""

    began: float = field(default_factory=time.perf_counter)
    laps: dict[str, float] = field(default_factory=dict)

    def lap(self, part: str) -> None:
        """Name the time since the last lap `part`."""
        passed = time.perf_counter() - self.began
        self.laps[part] = passed - sum(self.laps.values())

    def describe(self) -> str:
        """``9.1 s: imports 6.0, datasets 0.1, …``."""
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in self.laps.items())
        return f"{sum(self.laps.values()):.1f} s: {parts}"
