"""The shard job on Ray: tasks prepare and write, actors encode, one for each GPU or one on the CPU.

A task streams its progress back; `workers` tasks run at once, each with a small window of batches
at its encoder, so that memory is bounded whatever the size of the plan.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import ray
from numpy.typing import NDArray

from ...backbones.texts import Embeddings
from ...common.errors import OnepicError, RunError
from ..shard import ShardJob, compile_shard
from .engine import EncoderSettings, Event, J, R, Scheduling

T = TypeVar("T")


class RayPending(Generic[T]):
    """An encoder's answer on its way through Ray's object store."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def done(self) -> bool:
        """Whether the answer is there."""
        return bool(ray.wait([self._reference], timeout=0)[0])

    def result(self) -> T:
        """Wait for the answer."""
        with _ray_errors():
            answer: T = ray.get(self._reference)
        return answer


class RemoteEncoder:
    """A `PanelEncoder` that is an actor elsewhere."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def panels(
        self, pixels: NDArray[np.uint8], seeds: Sequence[int]
    ) -> RayPending[list[NDArray[np.float16] | None]]:
        """Begin to encode a batch of panels."""
        return RayPending(self._actor.encode_panels.remote(pixels, seeds))

    def prompts(self, prompts: Sequence[str]) -> RayPending[Embeddings]:
        """Begin to encode prompts."""
        return RayPending(self._actor.encode_prompts.remote(prompts))


class _EncoderActor:
    """An `Encoder` as a Ray actor."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._encoder = settings.open()

    def encode_panels(
        self, pixels: NDArray[np.uint8], seeds: Sequence[int]
    ) -> list[NDArray[np.float16] | None]:
        return self._encoder.encode_panels(pixels, seeds)

    def encode_prompts(self, prompts: Sequence[str]) -> Embeddings:
        return self._encoder.encode_prompts(prompts)

    def encode_empty_prompt(self) -> Embeddings:
        return self._encoder.encode_empty_prompt()


def _compile(job: ShardJob, actor: Any) -> Iterator[Event]:
    yield from compile_shard(job, RemoteEncoder(actor))


class RayEngine:
    """An `Engine` on the Ray cluster that this process uses, or one that it starts and ends."""

    def __init__(self, settings: EncoderSettings, scheduling: Scheduling) -> None:
        self._settings, self._workers = settings, scheduling.workers
        self._opened = ExitStack()
        if not ray.is_initialized():
            _start(scheduling)
            self._opened.callback(ray.shutdown)

    def map(self, function: Callable[[J], R], jobs: Iterator[J]) -> Iterator[R]:
        """Results of `function` for each job, as many at a time as workers, in any order.

        Raises:
            RunError: when a worker dies again and again.
            OnepicError, OSError: whatever a job raises.
        """
        task = ray.remote(function).options(num_cpus=1, max_retries=1)
        running: list[Any] = []
        try:
            while True:
                # A job more than can run, so that no worker waits for the next.
                while len(running) <= self._workers and (job := next(jobs, None)) is not None:
                    running.append(task.remote(job))
                if not running:
                    return
                (ready,), running = ray.wait(running, num_returns=1)
                with _ray_errors():
                    made: R = ray.get(ready)
                yield made
        finally:
            _cancel(running)

    def run(self, jobs: Iterator[ShardJob]) -> Iterator[Event]:
        """Compile shards, `workers` at a time; yields their progress and headers.

        Raises:
            RunError: when a worker or an encoder dies again and again.
            OnepicError, OSError: whatever a shard job raises.
        """
        actors = self._actors
        task = ray.remote(_compile).options(num_returns="streaming", num_cpus=1, max_retries=1)
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < self._workers and (job := next(jobs, None)) is not None:
                    load = list(running.values())
                    slot = min(range(len(actors)), key=load.count)
                    running[task.remote(job, actors[slot])] = slot
                if not running:
                    return
                ready, _ = ray.wait(list(running), num_returns=1, fetch_local=False)
                for stream in ready:
                    event = _next_event(stream)
                    if event is None:
                        del running[stream]
                    else:
                        yield event
        finally:
            _cancel(running)

    def empty_prompt(self) -> RayPending[Embeddings]:
        """Begin to encode the empty prompt."""
        return RayPending(self._actors[0].encode_empty_prompt.remote())

    def close(self) -> None:
        """Let the actors go, and end Ray if it was started here."""
        self._opened.close()

    @cached_property
    def _actors(self) -> list[Any]:
        """The encoders, which load while shards are prepared."""
        gpus = int(ray.cluster_resources().get("GPU", 0))
        options = {"num_gpus": 1} if gpus else {"num_cpus": 0}
        actor = ray.remote(_EncoderActor).options(max_restarts=1, max_task_retries=1, **options)
        actors = [actor.remote(self._settings) for _ in range(max(1, gpus))]
        for made in actors:
            self._opened.callback(ray.kill, made)
        return actors


def _start(scheduling: Scheduling) -> None:
    address = scheduling.ray_address
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {"num_cpus": scheduling.workers, "include_dashboard": False}
    try:
        ray.init(
            **options, logging_level=logging.ERROR, log_to_driver=False, configure_logging=True
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise RunError(
            f"Ray cannot be {'reached at ' + address if address else 'started here'}: {error}; "
            "--local runs the same job without Ray"
        ) from error


def _cancel(running: Iterable[Any]) -> None:
    """Stop tasks. A cluster that has ended took them along, and Ray would start another to ask."""
    if ray.is_initialized():
        for reference in running:
            ray.cancel(reference, force=True)


class _ray_errors:  # noqa: N801 - used as a statement
    """Turn what Ray wraps around an error back into the error itself."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, ray.exceptions.RayTaskError):
            cause = _cause(error)
            raise cause from error
        if isinstance(error, ray.exceptions.RayError):
            raise RunError(f"a worker died: {error}; run again to continue") from error


def _cause(error: BaseException) -> BaseException:
    """The innermost error, as the job raised it."""
    while isinstance(error, ray.exceptions.RayTaskError) and error.cause is not None:
        error = error.cause
    return (
        error if isinstance(error, OnepicError | OSError) else RunError(f"a worker failed: {error}")
    )


def _next_event(stream: Any) -> Event | None:
    """The next thing that a task reports; None at its end."""
    with _ray_errors():
        try:
            event: Event = ray.get(next(stream))
        except StopIteration:
            return None
        return event
