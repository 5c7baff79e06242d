"""The outcome of a run, and whether it may count as done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..canvas.findings import Counts
from ..common.errors import RunError
from ..dataset.index import Rejection
from ..dataset.names import REJECTED
from .recipe import Recipe


@dataclass(frozen=True)
class Summary:
    """The work of a run, and the content of its dataset.

    `output` is the folder that was worked in, and `url` the store that has the dataset, to which
    `sent` shards were sent. `made` counts the shards that this run compiled; `totals` are those of
    dataset.json, and `filters` its counts of dropped rows; `findings` are what was seen that may
    be wrong; `rejected` are the dataset's rejected rows; `seconds` the run took.
    """

    output: Path
    made: int
    totals: dict[str, int]
    filters: dict[str, int]
    findings: Counts
    rejected: tuple[Rejection, ...]
    seconds: float
    url: str | None = None
    sent: int = 0


def check_rejected(recipe: Recipe, summary: Summary) -> None:
    """Refuse to count a run as done that left out too much.

    Raises:
        RunError: when more rows are rejected than the recipe allows, or no sample is left.
    """
    rejected, samples = summary.totals["rejected"], summary.totals["samples"]
    share = rejected / max(1, rejected + samples)
    if not samples and not rejected:
        counts = "; ".join(f"{label} {number}" for label, number in summary.filters.items())
        raise RunError(
            f"the filters drop all {summary.totals['dropped']} rows ({counts}); no sample is left\n"
            f"all of them, with reasons: {summary.output / REJECTED}"
        )
    if share > recipe.max_rejected or not samples:
        first = "\n".join(f"  {row.source}: {row.reason}" for row in summary.rejected[:5])
        allowed = f", more than max_rejected allows ({recipe.max_rejected:.1%})"
        raise RunError(
            f"{rejected} of {rejected + samples} rows were rejected ({share:.1%})"
            f"{allowed if samples else ''}; {samples} samples are kept\n"
            f"{first}\n"
            f"all of them, with reasons: {summary.output / REJECTED}"
        )
