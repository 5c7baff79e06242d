"""Whether a dataset's files hold the very bytes that were written."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from ..common.errors import DamagedFileError, DatasetError
from ..common.report import Report
from . import null_prompt
from .finite import FiniteWatch
from .index import ShardHeader, missized, read_header, read_index
from .info import DatasetInfo
from .info_parts import Totals
from .names import CANVASES, DATASET, NULL_PROMPT, REJECTED, SHARD_FILES, SHARDS, shard_name
from .seal import FILES, SELF, is_unchanged
from .stores.store import Store

#: Shards of a store that are read at once.
_READERS = 4
#: Samples that a line names before it counts the rest.
_NAMED = 20


def find_damage(store: Store, info: DatasetInfo, report: Report) -> Iterator[str]:
    """Read every byte of a dataset, and compare checksums and counts; each problem in a line.

    Compiling again restores what is damaged; where it would not notice the damage, the problem says
    which file has to be deleted first.

    Raises:
        DatasetError: when a store cannot be reached.
    """
    if not is_unchanged(store.read(DATASET) or b""):
        yield (
            f"{DATASET} is not as it was written, so nothing else was compared; if it was edited "
            f"on purpose, delete {SELF!r} and {FILES!r} from it"
        )
        return
    counted = Counter(dict.fromkeys(("samples", "rejected", "dropped"), 0))
    is_sound = True
    for shard in _check_shards(store, info, report):
        yield from shard.problems
        is_sound = is_sound and shard.counts is not None
        counted.update(shard.counts or {})
    if is_sound:
        yield from find_miscounts(info.totals, counted)
    left_out = counted["rejected"] + counted["dropped"] if is_sound else None
    yield from damage_beside_shards(store, left_out, info.checksums)


def find_miscounts(totals: Totals, counted: Mapping[str, int]) -> Iterator[str]:
    """Where dataset.json counts otherwise than the shards do."""
    for name, found in counted.items():
        if found != (said := getattr(totals, name)):
            yield f"{DATASET} counts {said} {name}, the shards {found}"


@dataclass(frozen=True)
class _Checked:
    """What is wrong with a shard, and its rows; no counts where its index is of no use."""

    problems: list[str]
    counts: dict[str, int] | None = None


def _check_shards(store: Store, info: DatasetInfo, report: Report) -> Iterator[_Checked]:
    """Check the shards in order, those of a store a few at once, as the network lets one wait."""
    numbers = range(info.totals.shards)
    check = partial(_check_shard, store, checksums=info.checksums)
    report.begin(len(numbers), verb="checking", unit="shards")
    try:
        with ThreadPoolExecutor(1 if store.capacity is None else _READERS) as pool:
            for shard in pool.map(check, numbers):
                report.advance(1)
                yield shard
    finally:
        report.end()


def _check_shard(store: Store, number: int, checksums: Mapping[str, str]) -> _Checked:
    name = shard_name(number, ".parquet")
    data = store.read(name)
    if data is not None and not _has_checksum(data, checksums.get(name)):
        return _Checked([f"{name} has another SHA-256 than {DATASET} says; {store.remedy(name)}"])
    header = None if data is None else read_header(pa.BufferReader(data))
    if data is None or header is None:
        return _Checked([f"{name} is missing or damaged"])
    try:
        index = read_index(pa.BufferReader(data))
    except DatasetError:
        problem = f"{name} has damaged rows; {store.remedy(name)}"
        return _Checked([problem, *_damage_of_files(store, header, None)], header.rows)
    problems = list(_damage_of_files(store, header, FiniteWatch(index)))
    if len(index) != header.samples:
        wrong = f"{name} has not {header.samples} rows as it says; {store.remedy(name)}"
        problems.insert(0, wrong)
    return _Checked(problems, header.rows)


def _damage_of_files(store: Store, header: ShardHeader, watch: FiniteWatch | None) -> Iterator[str]:
    if store.is_elsewhere(header):
        return
    index, found = shard_name(header.number, ".parquet"), {}
    for name, record in header.files.items():
        path = shard_name(header.number, SHARD_FILES[name])
        try:
            if (file := store.checksum(path, watch if name == "tar" else None)) is None:
                continue
        except DamagedFileError as error:
            yield f"{path}: {error.reason}; {store.remedy(index)}"
            file = record
        found[path] = file.size
        if file.size == record.size and file != record:
            yield f"{path} has another SHA-256 than its index says; {store.remedy(index)}"
        elif name == "tar" and watch and watch.broken:
            yield _describe_broken(path, watch.broken, store.remedy(index))
    yield from (f"{SHARDS}/{damage}" for damage in missized(header, found))


def _describe_broken(path: str, broken: Sequence[str], remedy: str) -> str:
    more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return (
        f"{path}: NaN or infinity in the latents of {', '.join(broken[:_NAMED])}{more}; leave them "
        f"out of training by its setting skip_samples, or {remedy}"
    )


def damage_beside_shards(
    store: Store, left_out: int | None, checksums: Mapping[str, str]
) -> Iterator[str]:
    """Faults of the files that a dataset has once; `left_out` rows where it is known.

    `checksums` are theirs, as far as they are known.
    """
    for name in (REJECTED, NULL_PROMPT, CANVASES):
        data = store.read(name)
        if data is None:
            if name != CANVASES:  # nothing reads it
                yield f"{name} is missing"
        elif not _is_sound(name, data, left_out, checksums.get(name)):
            yield f"{name} is damaged; {store.remedy(name)}"


def _is_sound(name: str, data: bytes, left_out: int | None, sha256: str | None) -> bool:
    if not _has_checksum(data, sha256):
        return False
    if name == REJECTED:
        return _has_rows(data, left_out)
    return name != NULL_PROMPT or null_prompt.is_sound(data)


def _has_checksum(data: bytes, sha256: str | None) -> bool:
    return sha256 in (None, hashlib.sha256(data).hexdigest())


def _has_rows(data: bytes, count: int | None) -> bool:
    """Whether a Parquet file can be read, and has so many rows where that is known."""
    try:
        rows = len(pq.read_table(io.BytesIO(data), page_checksum_verification=True))
    except (OSError, pa.ArrowException):
        return False
    return count is None or rows == count
