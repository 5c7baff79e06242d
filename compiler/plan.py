"""Which rows go into which shard, and which shards have to be made."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ..canvas.findings import Counts
from ..canvas.layout import Layout
from ..common.errors import DatasetError, OutputError
from ..common.files import sha256
from ..dataset.index import ShardHeader, read_header, read_index
from ..dataset.names import SHARD_FILES, SHARDS, shard_path
from ..dataset.sent import missized_files
from .recipe import Recipe
from .selection.marks import marked_stamps
from .shard import ShardJob

#: Rows that a message about stale shards names before it counts the rest.
_NAMED = 3
#: Why a shard is made again whose index does not hold what was written.
DAMAGED = "its index is damaged"


@dataclass(frozen=True)
class Plan:
    """The rows of a source, cut into consecutive shards.

    `rows` has the string columns ``key`` and ``stamp``, and what the source needs to read them; it
    may be memory-mapped, and have those of `marks`. `fingerprint` is the dataset's; `checksums` are
    those of its indexes, by path, as far as an earlier run has finished it. `findings` are what
    was seen of the source as a whole.
    """

    recipe: Recipe
    recipe_folder: Path
    layout: Layout
    rows: pa.Table
    fingerprint: str
    output: Path
    checksums: Mapping[str, str] = field(default_factory=dict)
    findings: Counts = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """How many shards the rows make."""
        rows: int = self.rows.num_rows
        return math.ceil(rows / self.recipe.samples_per_shard)

    def shard_rows(self, number: int) -> pa.Table:
        """The rows of a shard."""
        size = self.recipe.samples_per_shard
        return marked_stamps(self.rows.slice(number * size, size))

    def shard_fingerprint(self, number: int) -> str:
        """All that shapes the bytes of a shard: the dataset's fingerprint, and its rows' stamps."""
        rows = self.shard_rows(number)
        found = hashlib.sha256(f"{self.fingerprint} {number}\n".encode())
        for column in ("key", "stamp"):
            found.update(json.dumps(rows[column].to_pylist()).encode())
        return found.hexdigest()

    def job(self, number: int, token: str) -> ShardJob:
        """The job that makes a shard, ready to travel to another process."""
        return ShardJob(
            number=number,
            fingerprint=self.shard_fingerprint(number),
            first_row=number * self.recipe.samples_per_shard,
            rows=_compact(self.shard_rows(number)),
            recipe=self.recipe.model_dump(mode="json", by_alias=True),
            recipe_folder=self.recipe_folder,
            layout=self.layout,
            output=self.output,
            token=token,
        )


def _compact(rows: pa.Table) -> pa.Table:
    """A copy of a slice: pickled as it is, a slice takes all of its table's memory along."""
    return rows.take(pa.array(range(rows.num_rows), pa.int64()))


@dataclass(frozen=True)
class Outdated:
    """A shard that has to be made, and why; no reason where it was never made."""

    number: int
    reason: str | None = None


def outdated_shards(plan: Plan) -> Iterator[Outdated]:
    """The shards of the plan that are missing, incomplete, or made from other rows."""
    for number in range(plan.shards):
        path = shard_path(plan.output, number, ".parquet")
        if not path.exists():
            yield Outdated(number)
            continue
        header = read_header(path)
        if header is None or not _is_as_recorded(plan, path):
            yield Outdated(number, DAMAGED)
        elif header.fingerprint != plan.shard_fingerprint(number):
            yield Outdated(number, _explain(plan, number, header))
        elif damage := next(missized_files(plan.output, header), None):
            yield Outdated(number, damage)


def _is_as_recorded(plan: Plan, index: Path) -> bool:
    recorded = plan.checksums.get(index.relative_to(plan.output).as_posix())
    return recorded in (None, sha256(index))


def surplus_shards(plan: Plan) -> list[int]:
    """The numbers of the shards on disk that lie behind the plan's last."""
    names = {path.name.partition(".")[0] for path in (plan.output / SHARDS).glob("*")}
    return sorted(int(name) for name in names if name.isdigit() and int(name) >= plan.shards)


def remove_surplus(plan: Plan) -> list[int]:
    """Delete what `surplus_shards` finds, indexes first; their numbers.

    What is left of a shard whose deletion was cut short goes too: readers of tars would find it.
    """
    numbers = surplus_shards(plan)
    for number in numbers:
        for suffix in (".parquet", *SHARD_FILES.values()):
            shard_path(plan.output, number, suffix).unlink(missing_ok=True)
    return numbers


def check_limit(plan: Plan) -> None:
    """Refuse to delete shards for a mere limit: trying a recipe must not cost what is finished.

    Raises:
        OutputError: when the plan has fewer shards than the folder, as the recipe has a limit.
    """
    if plan.recipe.limit is None or plan.rows.num_rows < plan.recipe.limit:
        return
    if surplus := len(surplus_shards(plan)):
        raise OutputError(
            f"{plan.output} holds {surplus} more shards than limit {plan.recipe.limit} leaves; "
            "give another --output, or a larger limit"
        )


def forget_damaged(plan: Plan, outdated: Iterable[Outdated]) -> None:
    """Delete indexes that only dataset.json tells from sound ones, before it forgets how."""
    for shard in outdated:
        if shard.reason == DAMAGED:
            shard_path(plan.output, shard.number, ".parquet").unlink()


def _explain(plan: Plan, number: int, header: ShardHeader) -> str:
    """Which rows of a shard differ from those that it was made from."""
    try:
        index = read_index(shard_path(plan.output, number, ".parquet"))
    except DatasetError:
        return DAMAGED
    old = dict(zip(index["source"].to_pylist(), index["stamp"].to_pylist(), strict=True))
    old |= {rejection.source: rejection.stamp for rejection in header.left_out}
    rows = plan.shard_rows(number)
    new = dict(zip(rows["key"].to_pylist(), rows["stamp"].to_pylist(), strict=True))
    changes = [
        *(
            f"{key} changed ({_what(old[key], new[key])})"
            for key in new
            if key in old and old[key] != new[key]
        ),
        *(f"{key} is new here" for key in new if key not in old),
        *(f"{key} is gone from here" for key in old if key not in new),
    ]
    rest = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return ", ".join(changes[:_NAMED]) + rest or "the order of its rows changed"


def _what(old: str, new: str) -> str:
    """The parts of two stamps that differ: ``image``."""
    before, after = ({part.partition("=")[::2] for part in stamp.split()} for stamp in (old, new))
    return ", ".join(sorted({name for name, _ in before ^ after}))
