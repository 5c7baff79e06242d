"""Which engine a run gets, and when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cached_property

from ...backbones.texts import Embeddings
from ..shard import Pending, ShardJob
from .engine import EncoderSettings, Engine, Event, J, R, Scheduling
from .local import LocalEngine


def open_engine(settings: EncoderSettings, scheduling: Scheduling) -> Engine:
    """The engine that the scheduling asks for; it has to be closed."""
    if scheduling.local:
        return LocalEngine(settings)

    def start() -> Engine:
        from .on_ray import RayEngine

        return RayEngine(settings, scheduling)

    return _StartedLater(start)


class _StartedLater:
    """An `Engine` that starts another for its first job: without any, Ray is not even imported."""

    def __init__(self, start: Callable[[], Engine]) -> None:
        self._start = start
        self._opened = ExitStack()

    @cached_property
    def _engine(self) -> Engine:
        return self._opened.enter_context(closing(self._start()))

    def map(self, function: Callable[[J], R], jobs: Iterator[J]) -> Iterator[R]:
        yield from self._engine.map(function, jobs)

    def run(self, jobs: Iterator[ShardJob]) -> Iterator[Event]:
        yield from self._engine.run(jobs)

    def empty_prompt(self) -> Pending[Embeddings]:
        return self._engine.empty_prompt()

    def close(self) -> None:
        self._opened.close()
