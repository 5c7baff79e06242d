"""Scheduling jobs: in this process, or as Ray tasks, fed by encoder actors where they need it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...backbones.model import Model
from ...backbones.texts import Embeddings
from ...common.memory import keep_freed_memory
from ...dataset.index import ShardHeader
from ..shard import Progress, ShardJob, compile_shard

if TYPE_CHECKING:
    from .encoder import Encoder

Event = Progress | ShardHeader
J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class Scheduling:
    """Where jobs run; it changes no byte of the dataset."""

    workers: int = os.cpu_count() or 1
    local: bool = False
    ray_address: str | None = None


@dataclass(frozen=True)
class EncoderSettings:
    """What an encoder is made from, wherever it will run."""

    model: Model
    latent: Literal["mean", "sample"]
    threads: int

    def open(self) -> Encoder:
        """Load the VAE, in a process that will go on to encode.

        Raises:
            ModelError: when it cannot be loaded.
        """
        keep_freed_memory()
        from .encoder import Encoder

        return Encoder(self.model, self.latent, self.threads)


class LocalEncoder:
    """A `PanelEncoder` in a thread of this process: preparing goes on while it encodes."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoder")

    def panels(
        self, pixels: NDArray[np.uint8], seeds: Sequence[int]
    ) -> Future[list[NDArray[np.float16] | None]]:
        """Begin to encode a batch of panels."""
        return self._thread.submit(self._encoder.encode_panels, pixels, seeds)

    def prompts(self, prompts: Sequence[str]) -> Future[Embeddings]:
        """Begin to encode prompts."""
        return self._thread.submit(self._encoder.encode_prompts, prompts)

    def empty_prompt(self) -> Future[Embeddings]:
        """Begin to encode the empty prompt."""
        return self._thread.submit(self._encoder.encode_empty_prompt)

    def close(self) -> None:
        """Let the thread go, without what it has not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class LocalEngine:
    """Runs one shard after the other in this process."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._encoder = LocalEncoder(settings.open())

    def run(self, jobs: Iterator[ShardJob]) -> Iterator[Event]:
        """Compile shards; yields their progress and headers."""
        for job in jobs:
            yield from compile_shard(job, self._encoder)

    def empty_prompt(self) -> Future[Embeddings]:
        """Begin to encode the empty prompt."""
        return self._encoder.empty_prompt()

    def close(self) -> None:
        """Let the encoder go."""
        self._encoder.close()


def open_engine(settings: EncoderSettings, scheduling: Scheduling, cluster: ExitStack) -> Any:
    """A `LocalEngine` or a `ray_engine.RayEngine`, which take the same calls.

    Ray is started once for all that is given the same `cluster`, and stops when that is closed.
    """
    if scheduling.local:
        return LocalEngine(settings)
    from .ray_engine import RayEngine

    return RayEngine(settings, scheduling, cluster)


def run_each(
    function: Callable[[J], R], jobs: Iterator[J], scheduling: Scheduling, cluster: ExitStack
) -> Iterator[R]:
    """What `function` makes of each job, on one core each; on Ray in whatever order they end.

    For `cluster` see `open_engine`.
    """
    if scheduling.local:
        return map(function, jobs)
    from .ray_engine import run_each_on_ray

    return run_each_on_ray(function, jobs, scheduling, cluster)
