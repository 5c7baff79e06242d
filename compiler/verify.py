"""Whether a dataset's files hold the very bytes that were written."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from . import null_prompt
from .errors import DatasetError
from .files import DATASET, NULL_PROMPT, REJECTED, SHARD_FILES, SHARDS, sha256, shard_path
from .index import ShardHeader, missized_files, read_header, read_index


def find_damage(folder: Path, totals: Mapping[str, int]) -> Iterator[str]:
    """Read every byte of a dataset, and compare checksums and counts; each problem in a line.

    Compiling again restores what is damaged; where it would not notice the damage, the problem says
    which file has to be deleted first. `totals` are those of dataset.json.
    """
    counted = dict.fromkeys(("samples", "rejected", "dropped"), 0)
    is_sound = True
    for number in range(totals["shards"]):
        header = read_header(shard_path(folder, number, ".parquet"))
        if header is None:
            is_sound = False
            yield f"{SHARDS}/{number:05d}.parquet is missing or damaged"
            continue
        counted["samples"] += header.samples
        counted["rejected"] += len(header.rejected)
        counted["dropped"] += sum(map(len, header.dropped.values()))
        yield from _damage_of_shard(folder, header)
    if is_sound:
        yield from find_miscounts(totals, counted)
    left_out = counted["rejected"] + counted["dropped"]
    yield from damage_beside_shards(folder, left_out if is_sound else None)


def find_miscounts(totals: Mapping[str, int], counted: Mapping[str, int]) -> Iterator[str]:
    """Where dataset.json counts otherwise than the shards do."""
    for name, found in counted.items():
        # Datasets from before there were filters do not count what they drop.
        if found != (said := totals.get(name, 0)):
            yield f"{DATASET} counts {said} {name}, the shards {found}"


def _damage_of_shard(folder: Path, header: ShardHeader) -> Iterator[str]:
    index = shard_path(folder, header.number, ".parquet")
    try:
        if len(read_index(index)) != header.samples:
            yield f"{SHARDS}/{index.name} has not {header.samples} rows as it says; {_first(index)}"
    except DatasetError:
        yield f"{SHARDS}/{index.name} has damaged rows; {_first(index)}"
    yield from (f"{SHARDS}/{damage}" for damage in missized_files(folder, header))
    for name, record in header.files.items():
        path = shard_path(folder, header.number, SHARD_FILES[name])
        has_its_size = path.is_file() and path.stat().st_size == record.size
        if has_its_size and sha256(path) != record.sha256:
            yield f"{SHARDS}/{path.name} has another SHA-256 than its index says; {_first(index)}"


def damage_beside_shards(folder: Path, left_out: int | None) -> Iterator[str]:
    """What is wrong with the files that a dataset has once; `left_out` rows where it is known."""
    if not (folder / REJECTED).is_file():
        yield f"{REJECTED} is missing"
    elif not _has_rows(folder / REJECTED, left_out):
        yield f"{REJECTED} is damaged; {_first(folder / REJECTED)}"
    if not (folder / NULL_PROMPT).is_file():
        yield f"{NULL_PROMPT} is missing"
    elif not null_prompt.is_sound(folder / NULL_PROMPT):
        yield f"{NULL_PROMPT} is damaged; {_first(folder / NULL_PROMPT)}"


def _has_rows(path: Path, count: int | None) -> bool:
    """Whether a Parquet file can be read, and has so many rows where that is known."""
    try:
        rows = len(pq.read_table(path, page_checksum_verification=True))
    except (OSError, pa.ArrowException):
        return False
    return count is None or rows == count


def _first(path: Path) -> str:
    return f"first: rm {shlex.quote(str(path))}"
