"""Files that describe a dataset as a whole, written when all of its shards are there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..canvas.findings import Counts, add_up, found_in_shards
from ..canvas.layout import Box
from ..canvas.masks.doubts import differing_readings
from ..common.errors import DatasetError, RunError
from ..common.files import settle, write_whole
from ..dataset.index import Rejection, ShardHeader, read_columns, read_header, read_index
from ..dataset.info import DatasetInfo, read_info
from ..dataset.members import JSON, MASK, WEBP, shape_of
from ..dataset.names import CANVASES, DATASET, REJECTED, STATE, shard_path, shard_stem
from ..dataset.repeats import COLUMNS, find_repeats
from ..dataset.seal import sealed
from ..dataset.stores.parts import Part
from .card import CARD, is_as_written, render_card
from .delivery.delivery import Delivery
from .plan import Plan, remove_surplus
from .preview import Preview, write_sheet

#: Canvases on the contact sheet.
SHEET = 12


def finish_dataset(
    plan: Plan, info: DatasetInfo, delivery: Delivery
) -> tuple[DatasetInfo, tuple[Rejection, ...]]:
    """Write what is missing besides shards, and send it; dataset.json and the rejected rows.

    Raises:
        RunError: when a shard vanished, or the store does not hold what was sent.
    """
    delivery.join()
    remove_surplus(plan)
    shards = ((shard_stem(header.number), header.findings) for header in _headers(plan))
    found = add_up([plan.findings, found_in_shards(shards), _repeats(plan)])
    info = info.completed(_headers(plan), {**found, **differing_readings(found)})
    rejected: tuple[Rejection, ...] = ()
    if info.totals.rejected:
        rejected = tuple(row for header in _headers(plan) for row in header.rejected)
    paths = (plan.output / name for name in (DATASET, REJECTED, CANVASES, CARD))
    finished = read_info(plan.output) if all(path.is_file() for path in paths) else None
    if finished is None or finished.plain() != sealed(info, plan.output).plain():
        finished = _describe(plan, info, rejected, delivery)
    delivery.finish(finished)
    return finished, rejected


def _describe(
    plan: Plan,
    info: DatasetInfo,
    rejected: tuple[Rejection, ...],
    delivery: Delivery,
) -> DatasetInfo:
    """Write all that describes the whole; what dataset.json holds."""
    _write_rejected(plan)
    if previews := list(islice(_previews(plan, delivery), SHEET)):
        write_sheet(plan.output / CANVASES, previews, plan.layout.canvas_size[0])
    _write_card(plan.output / CARD, info, rejected, delivery.repository)
    finished = sealed(info, plan.output)
    write_whole(plan.output / DATASET, finished.to_json())
    return finished


def _headers(plan: Plan) -> Iterator[ShardHeader]:
    """The headers one by one, as filters may have dropped millions of rows."""
    for number in range(plan.shards):
        path = shard_path(plan.output, number, ".parquet")
        header = read_header(path)
        if header is None:
            raise RunError(f"{path} vanished during the run; run again to make it")
        yield header


def _repeats(plan: Plan) -> Counts:
    """The rows whose target is that of other rows, which only the whole dataset shows."""
    paths = (shard_path(plan.output, number, ".parquet") for number in range(plan.shards))
    return find_repeats(read_columns(path, COLUMNS)[1] for path in paths)


def _previews(plan: Plan, delivery: Delivery) -> Iterator[Preview]:
    """The previews of all samples, in order, read one by one."""
    for header in _headers(plan):
        path = shard_path(plan.output, header.number, ".parquet")
        read = partial(_read, plan, delivery, header.number)
        try:
            for row in read_index(path).slice(0, SHEET).to_pylist():
                boxes = json.loads(read(JSON.part(row)))["target_boxes"]
                yield Preview(
                    picture=read(WEBP.part(row)),
                    prompt=row["prompt"],
                    targets=[Box(*numbers) for numbers in boxes],
                    mask=MASK.read(read(MASK.part(row)), shape_of(row)),
                )
        except ValueError as error:
            raise DatasetError(
                f"{path.with_suffix('.tar')}: {error}; delete {path} and run again to make it"
            ) from error


def _read(plan: Plan, delivery: Delivery, shard: int, part: Part) -> bytes:
    """A part of a tar, wherever that is."""
    try:
        with shard_path(plan.output, shard, ".tar").open("rb") as tar:
            tar.seek(part.offset)
            return tar.read(part.size)
    except FileNotFoundError:
        return delivery.read_tar(shard, part.offset, part.size)


def _write_card(
    path: Path, info: DatasetInfo, rejected: tuple[Rejection, ...], repository: str | None
) -> None:
    """Write the card, unless somebody has edited the one that is there."""
    if not path.exists() or is_as_written(path.read_text(encoding="utf-8", errors="replace")):
        stages = Counter(rejection.stage for rejection in rejected)
        write_whole(path, render_card(info, stages, repository).encode())


def _write_rejected(plan: Plan) -> None:
    """List all rows that were not compiled."""
    names = ("key", "source", "stamp", "stage", "reason")
    schema = pa.schema([(name, pa.string()) for name in names])
    temporary = plan.output / STATE / REJECTED
    with pq.ParquetWriter(temporary, schema, write_page_checksum=True) as writer:
        for rows in _batched(row for header in _headers(plan) for row in header.left_out):
            columns = [[getattr(row, name) for row in rows] for name in names]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    settle(temporary, plan.output / REJECTED)


def _batched(rows: Iterator[Rejection]) -> Iterator[list[Rejection]]:
    while some := list(islice(rows, 65_536)):
        yield some
