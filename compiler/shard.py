"""The shard job: a pure function from a slice of the plan to a shard on disk.

Whoever schedules it gives it a `PanelEncoder`; nothing it writes depends on where it runs, on what
else runs, or on how often it was started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..backbones.texts import Embeddings
from ..canvas.findings import Finding, count_findings
from ..canvas.layout import Layout, assemble_latents, assemble_pixels, target_mask
from ..canvas.looks import look_at_latents
from ..canvas.narrowed import join_latents
from ..canvas.panels import PreparedRow, digest_of, noise_seed, prepare_rows
from ..canvas.row import Row
from ..canvas.sharing import Shared
from ..canvas.sizes import batch_size
from ..common.errors import DroppedRowError, RowError
from ..dataset.index import Rejection, ShardHeader
from ..dataset.writer import Sample, ShardWriter
from ..tables.source import group_of
from .preview import encode_preview
from .recipe import Recipe
from .recipe_file import recipe_from_data
from .selection.marks import split_marked

#: Rows that are prepared together; operations with a model see batches of at most this size.
CHUNK = 16
#: Batches of a shard that may be on their way through the encoder at once.
WINDOW = 2

T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """Something that an encoder will give."""

    def done(self) -> bool:
        """Whether `result` would return at once."""
        ...

    def result(self) -> T_co:
        """Wait for it."""
        ...


class PanelEncoder(Protocol):
    """Encodes panels and prompts, here or elsewhere; see `encoder.Encoder` for the arguments."""

    def panels(
        self, pixels: NDArray[np.uint8], seeds: Sequence[int]
    ) -> Pending[list[NDArray[np.float16] | None]]:
        """Begin to encode a batch of panels."""
        ...

    def prompts(self, prompts: Sequence[str]) -> Pending[Embeddings]:
        """Begin to encode prompts."""
        ...


@dataclass(frozen=True)
class ShardJob:
    """All that a shard is made from; plain data that can travel to another machine.

    `rows` is a slice of the scanned source that begins at row `first_row`; `recipe` is the recipe's
    plain data and `recipe_folder` where its files are.
    """

    number: int
    fingerprint: str
    first_row: int
    rows: pa.Table
    recipe: Mapping[str, Any]
    recipe_folder: Path
    layout: Layout
    output: Path
    token: str


@dataclass(frozen=True)
class Progress:
    """Rows of a shard that were prepared since the last report."""

    number: int
    rows: int


class PanelQueue:
    """The distinct panels of a shard on their way through the encoder, in batches of one size."""

    def __init__(self, encoder: PanelEncoder, layout: Layout, seed: int) -> None:
        self._encoder, self._seed = encoder, seed
        self._size = batch_size(layout.width, layout.height)
        self._waiting: dict[bytes, NDArray[np.uint8]] = {}
        self._sent: deque[tuple[list[bytes], Pending[list[NDArray[np.float16] | None]]]] = deque()
        self._latents: dict[bytes, NDArray[np.float16] | None] = {}
        self._known: set[bytes] = set()

    @property
    def distinct(self) -> int:
        """How many distinct panels were added."""
        return len(self._known)

    def add(self, pixels: NDArray[np.uint8]) -> bytes:
        """Queue a panel, uint8 [height, width, 3], unless an equal one was; its content's digest.

        Waits while `WINDOW` batches are on their way, so that memory stays bounded.
        """
        digest = digest_of(pixels)
        if digest not in self._known:
            self._known.add(digest)
            self._waiting[digest] = pixels
            if len(self._waiting) == self._size:
                self.send()
        return digest

    def send(self) -> None:
        """Send what waits to the encoder, as one batch."""
        if not self._waiting:
            return
        while len(self._sent) >= WINDOW:
            self._receive()
        digests = list(self._waiting)
        seeds = [noise_seed(self._seed, digest) for digest in digests]
        batch = np.stack(list(self._waiting.values()))
        self._sent.append((digests, self._encoder.panels(batch, seeds)))
        self._waiting = {}

    def collect(self) -> None:
        """Take over what the encoder has finished, without waiting for more."""
        while self._sent and self._sent[0][1].done():
            self._receive()

    def holds(self, digest: bytes) -> bool:
        """Whether `latents` would return a panel's latents at once."""
        return digest in self._latents

    def latents(self, digest: bytes) -> NDArray[np.float16] | None:
        """A panel's latents [C, h, w], waiting for them; None where they are not finite."""
        while digest not in self._latents:
            self._receive()
        return self._latents[digest]

    def _receive(self) -> None:
        digests, pending = self._sent.popleft()
        self._latents.update(zip(digests, pending.result(), strict=True))


@dataclass(frozen=True)
class _Waiting:
    """A prepared row whose panels are being encoded; its pixels are already let go.

    `digests` are those of the panels by name, and `erased` of narrowed targets as context.
    """

    number: int
    stamp: str
    group: str | None
    row: PreparedRow
    digests: Mapping[str, bytes]
    erased: Mapping[str, bytes]
    preview: bytes

    @property
    def encoded(self) -> tuple[bytes, ...]:
        """All that has to be encoded before it can be written."""
        return (*self.digests.values(), *self.erased.values())


def compile_shard(job: ShardJob, encoder: PanelEncoder) -> Iterator[Progress | ShardHeader]:
    """Compile one shard; yields its progress, and its header when it is complete on disk.

    Raises:
        OSError: when the shard cannot be written.
        ModelError: when an operation's model cannot be loaded.
        RunError: when another run has taken over the output folder.
    """
    recipe = recipe_from_data(job.recipe, job.recipe_folder)
    queue = PanelQueue(encoder, job.layout, recipe.seed)
    waiting: deque[_Waiting] = deque()
    rejected: list[Rejection] = []
    dropped: dict[str, list[Rejection]] = {}
    found: list[tuple[str, tuple[Finding, ...]]] = []
    with ShardWriter(job.output, job.number, job.token) as writer:
        for chunk in _chunks(job, recipe):
            for number, row, outcome in chunk:
                scanned = job.rows.slice(number - job.first_row, 1)
                stamp = scanned["stamp"][0].as_py()
                if isinstance(outcome, DroppedRowError):
                    rows = dropped.setdefault(outcome.filter, [])
                    rows.append(_rejection(number, row.key, stamp, outcome))
                elif isinstance(outcome, RowError):
                    rejected.append(_rejection(number, row.key, stamp, outcome))
                else:
                    group = group_of(recipe.source, row, scanned)
                    waiting.append(_enqueue(job.layout, queue, number, stamp, group, outcome))
            queue.collect()
            while waiting and all(map(queue.holds, waiting[0].encoded)):
                _write(job, queue, writer, rejected, found, waiting.popleft())
            yield Progress(job.number, len(chunk))
        queue.send()
        while waiting:
            _write(job, queue, writer, rejected, found, waiting.popleft())
        embeddings = encoder.prompts(writer.prompts).result() if writer.samples else None
        panels = writer.samples * len(list(job.layout.cells())), queue.distinct
        rejected.sort(key=lambda rejection: rejection.key)
        yield writer.complete(
            job.fingerprint, embeddings, rejected, panels, dropped, count_findings(found)
        )


def sample_key(number: int) -> str:
    """The name of row `number` in the tars: its digits, as webdataset splits names at a dot."""
    return f"{number:09d}"


def _chunks(
    job: ShardJob, recipe: Recipe
) -> Iterator[list[tuple[int, Row, PreparedRow | RowError]]]:
    """Rows with their numbers and what became of them, some at a time."""
    for start in range(0, job.rows.num_rows, CHUNK):
        part = job.rows.slice(start, CHUNK)
        rows = list(_read(recipe, part))
        outcomes = prepare_rows(recipe, job.layout, rows)
        first = job.first_row + start
        yield list(zip(range(first, first + len(rows)), rows, outcomes, strict=True))


def _read(recipe: Recipe, rows: pa.Table) -> Iterator[Row]:
    """The rows of a slice; of those that are known to be dropped nothing is read."""
    kept, drops = split_marked(rows)
    read = iter(recipe.source.read(kept, recipe.columns))
    for key, drop in zip(rows["key"].to_pylist(), drops, strict=True):
        yield next(read) if drop is None else Row(key, error=drop)


def _enqueue(
    layout: Layout,
    queue: PanelQueue,
    number: int,
    stamp: str,
    group: str | None,
    row: PreparedRow,
) -> _Waiting:
    digests = {name: queue.add(row.panels[name]) for name in layout.panels}
    erased = {name: queue.add(pixels) for name, pixels in row.erased.items()}
    preview = encode_preview(assemble_pixels(layout, row.panels))
    return _Waiting(number, stamp, group, row.without_pixels(), digests, erased, preview)


def _write(
    job: ShardJob,
    queue: PanelQueue,
    writer: ShardWriter,
    rejected: list[Rejection],
    found: list[tuple[str, tuple[Finding, ...]]],
    waiting: _Waiting,
) -> None:
    """Put a sample together from its panels' latents, or reject it where one is not finite.

    What was seen of a sample goes to `found`, with the name of its row.
    """
    row = waiting.row
    try:
        latents = _latents(job.layout, queue, waiting)
    except RowError as error:
        rejected.append(_rejection(waiting.number, row.key, waiting.stamp, error))
        return
    found.append((row.key, (*row.findings, *look_at_latents(latents))))
    writer.add(
        Sample(
            key=sample_key(waiting.number),
            source=row.key,
            stamp=waiting.stamp,
            prompt=row.prompt,
            latents=assemble_latents(job.layout, latents),
            mask=target_mask(job.layout, row.targets, row.narrowed),
            preview=waiting.preview,
            metadata=_metadata(job.layout, row),
            shared=Shared.of(waiting.group, row.origins, row.targets, job.recipe_folder.resolve()),
        )
    )


def _latents(
    layout: Layout, queue: PanelQueue, waiting: _Waiting
) -> dict[str, NDArray[np.float16]]:
    """The latents of a row's panels, [C, h, w] by name; a RowError where one is not finite."""
    panels = {name: _panel_latents(queue, waiting, name, layout.factor) for name in layout.panels}
    finite = {name: latents for name, latents in panels.items() if latents is not None}
    if len(finite) < len(panels):
        broken = ", ".join(sorted(set(panels) - set(finite)))
        raise RowError("encode", f"the VAE gives NaN or infinity for: {broken}")
    return finite


def _panel_latents(
    queue: PanelQueue, waiting: _Waiting, name: str, factor: int
) -> NDArray[np.float16] | None:
    """The latents of a panel [C, h, w]; None where they are not finite."""
    whole, narrowed = queue.latents(waiting.digests[name]), waiting.row.narrowed
    if whole is None or narrowed is None or name not in waiting.erased:
        return whole
    erased = queue.latents(waiting.erased[name])
    return None if erased is None else join_latents(whole, erased, narrowed, factor)


def _metadata(layout: Layout, row: PreparedRow) -> dict[str, Any]:
    """A sample's JSON; boxes are [left, top, width, height] in px of the canvas."""
    panels = {
        name: {
            "boxes": [box.as_list() for box in layout.boxes(name)],
            "original_size": list(row.original_sizes[name]),
            "crop": crop and [round(value, 3) for value in crop],
        }
        for name, crop in ((name, row.crops[name]) for name in layout.panels)
    }
    targets = [box.as_list() for name in row.targets for box in layout.boxes(name)]
    return {
        "source": row.key,
        "canvas_size": list(layout.canvas_size),
        "panels": panels,
        "target_boxes": targets,
    }


def _rejection(number: int, source: str, stamp: str, error: RowError) -> Rejection:
    return Rejection(sample_key(number), source, stamp, error.stage, error.reason)
