"""metrics.jsonl, and the same figures for a tracker."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ..common.errors import SettingsError
from ..common.files import write_whole

METRICS = "metrics.jsonl"
#: The losses on held-out samples, as they are and in the context of another sample.
VALIDATION, OTHER_CONTEXT = "validation_loss", "validation_loss_other_context"


def validation_of(dataset: str) -> str:
    """The name of one dataset's loss on held-out samples, where there are several datasets."""
    return f"{VALIDATION}/{dataset}"


class Metrics:
    """Writes a line of JSON for every step that is logged, on the main process.

    A resumed run goes on after the lines of `step`; later ones are of steps that will be done
    again. A run that begins, at step 0, begins the file anew.
    """

    def __init__(self, run: Path, accelerator: Accelerator, step: int) -> None:
        self._path, self._accelerator = run / METRICS, accelerator
        if accelerator.is_main_process:
            before = read_metrics(run) if step else []
            kept = [json.dumps(line) for line in before if line["step"] <= step]
            write_whole(self._path, "".join(f"{line}\n" for line in kept).encode())

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of a step."""
        if self._accelerator.is_main_process:
            with self._path.open("a", encoding="utf-8") as file:
                finite = {
                    name: value if math.isfinite(value) else None for name, value in figures.items()
                }
                file.write(json.dumps({"step": step, **finite}) + "\n")
        self._accelerator.log(dict(figures), step=step)


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's metrics.jsonl; none where there is no such file."""
    path = run / METRICS
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    # What follows the last line's end was cut off when the process was killed.
    return [json.loads(line) for line in lines[:-1]]


def check_tracker(tracker: str) -> None:
    """Refuse a tracker that is not installed.

    Raises:
        SettingsError: saying what to install.
    """
    from importlib.util import find_spec

    if tracker != "none" and find_spec(tracker) is None:
        raise SettingsError(
            f"tracker: {tracker} is not installed; pip install {tracker}, or set it to none"
        )
