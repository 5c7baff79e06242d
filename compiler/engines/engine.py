"""Engines run jobs; they are told where, and what encodes for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from ...backbones.model import Model
from ...backbones.texts import Embeddings
from ...common.memory import keep_freed_memory
from ...dataset.index import ShardHeader
from ..shard import Pending, Progress, ShardJob

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
    """Settings that an encoder is made from, wherever it will run."""

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


class Engine(Protocol):
    """Runs all jobs of a run, here or elsewhere; open one with `open.open_engine`.

    Nothing is started or loaded before it is needed: a cluster for the first job, and an encoder
    for the first shard or the empty prompt.
    """

    def map(self, function: Callable[[J], R], jobs: Iterator[J]) -> Iterator[R]:
        """Results of `function` for each job, on one core each, in whatever order they end.

        Raises:
            RunError: when a worker dies again and again.
            OnepicError, OSError: whatever a job raises.
        """
        ...

    def run(self, jobs: Iterator[ShardJob]) -> Iterator[Event]:
        """Compile shards; yields their progress and headers.

        Raises:
            ModelError: when the encoder cannot be loaded.
            RunError: when a worker or an encoder dies again and again.
            OnepicError, OSError: whatever a shard job raises.
        """
        ...

    def empty_prompt(self) -> Pending[Embeddings]:
        """Begin to encode the empty prompt.

        Raises:
            ModelError: when the encoder cannot be loaded.
        """
        ...

    def close(self) -> None:
        """Let go of all that was started and loaded."""
        ...
