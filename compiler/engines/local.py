"""The engine of one process: one job after the other, and an encoder in a thread beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...backbones.texts import Embeddings
from ..shard import ShardJob, compile_shard
from .engine import EncoderSettings, Event, J, R

if TYPE_CHECKING:
    from .encoder import Encoder


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
    """An `Engine` that runs one job after the other in this process."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._settings = settings
        self._opened = ExitStack()

    @cached_property
    def _encoder(self) -> LocalEncoder:
        encoder = LocalEncoder(self._settings.open())
        self._opened.callback(encoder.close)
        return encoder

    def map(self, function: Callable[[J], R], jobs: Iterator[J]) -> Iterator[R]:
        """Results of `function` for each job, in their order."""
        return map(function, jobs)

    def run(self, jobs: Iterator[ShardJob]) -> Iterator[Event]:
        """Compile shards, one after the other; yields their progress and headers."""
        for job in jobs:
            yield from compile_shard(job, self._encoder)

    def empty_prompt(self) -> Future[Embeddings]:
        """Begin to encode the empty prompt."""
        return self._encoder.empty_prompt()

    def close(self) -> None:
        """Let the encoder go, if one was loaded."""
        self._opened.close()
