"""The training loop: steps, and what happens between them."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..common.report import Report
from .interrupt import Interrupt
from .loader import Batch
from .metrics import OTHER_CONTEXT, VALIDATION, Metrics, validation_of
from .recorder import Recorder
from .run import Run
from .step import seed_of_batch


@dataclass
class Pace:
    """How fast a run is since the last line of the log."""

    step: int
    began: float = field(default_factory=time.perf_counter)
    waited: float = 0.0

    def figures(self, run: Run) -> dict[str, float]:
        """Steps and samples per second, the share of time that waited for data, memory in GB."""
        seconds = time.perf_counter() - self.began
        steps = run.state.step - self.step
        samples = run.settings.batch_size * run.settings.accumulation
        return {
            "steps_per_second": steps / seconds,
            "samples_per_second": steps * samples * run.accelerator.num_processes / seconds,
            "data_wait": self.waited / seconds,
            "memory_gb": peak_memory(run.accelerator.device) / 1e9,
        }


def peak_memory(device: torch.device) -> int:
    """The most bytes that were in use: of the GPU's, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Loop:
    """Trains a run from its current step; each call of `advance` is an update of the weights."""

    def __init__(
        self,
        run: Run,
        metrics: Metrics,
        report: Report,
        pictures: Callable[[Run], None] | None = None,
    ) -> None:
        self.run, self._metrics, self._report, self._pictures = run, metrics, report, pictures
        self._recorder = Recorder(self._mean_over_ranks)
        self._pace = Pace(run.state.step)
        self._norm = torch.zeros(())

    def advance(self, batches: Iterator[Batch]) -> None:
        """One update, from as many batches as are accumulated; nothing waits for the device."""
        run, state = self.run, self.run.state
        for _ in range(run.settings.accumulation):
            batch = self._next(batches)
            with run.accelerator.accumulate(run.wrapped):
                seed = seed_of_batch(run.settings.seed, batch.number)
                with run.accelerator.autocast():
                    losses = run.objective.losses(run.wrapped, batch, seed)
                run.accelerator.backward(losses.mean())
                self._update()
            self._recorder.add(state.step + 1, batch, losses)
        if state.average is not None:
            state.average.step(state.parameters.values())
        state.schedule.step()
        state.step += 1

    def read_losses(self) -> None:
        """Fetch the losses that are still on the device.

        Raises:
            NotFiniteError: when one of them is NaN or infinite.
        """
        self.run.state.losses.extend(self._recorder.read())

    def log(self) -> None:
        """Write a line of figures, and show them."""
        self.read_losses()
        run, state = self.run, self.run.state
        figures: dict[str, float] = {"loss": sum(state.losses) / len(state.losses)}
        figures["learning_rate"] = float(state.schedule.get_last_lr()[0])
        figures["gradient_norm"] = norm = self._norm.item()
        if not math.isfinite(norm):
            self._report.note(f"step {state.step}: gradients are not finite, no update was made")
        figures["epoch"] = self._samples_seen() / sum(map(len, run.inputs.training))
        figures |= self._pace.figures(run)
        self._metrics.log(state.step, figures)
        self._report.advance(
            state.step - self._pace.step,
            f"loss {figures['loss']:.4f}, {figures['samples_per_second']:.3g} samples/s, "
            f"{figures['memory_gb']:.1f} GB",
        )
        state.losses.clear()
        self._pace = Pace(state.step)

    def validate(self) -> None:
        """Measure the loss on the held-out samples, with the averaged weights where there are."""
        run = self.run
        if run.validation is None:
            return
        began = time.perf_counter()
        with run.state.averaged():
            found = run.validation.measure(run.wrapped, run.objective)
            if self._pictures is not None and run.accelerator.is_main_process:
                self._pictures(run)
        figures = {VALIDATION: found.loss, OTHER_CONTEXT: found.other_context}
        figures |= {validation_of(name): loss for name, loss in found.losses.items()}
        self._metrics.log(run.state.step, figures)
        each = "".join(f"; {name} {loss:.5f}" for name, loss in found.losses.items())
        self._report.note(
            f"step {run.state.step}: validation loss {found.loss:.5f}, "
            f"{found.other_context:.5f} in another sample's context{each}"
        )
        self._pace.began += time.perf_counter() - began

    def is_stopped(self, interrupt: Interrupt) -> bool:
        """Whether this or another rank was asked to stop; ranks agree when they log."""
        run = self.run
        if run.accelerator.num_processes == 1:
            return interrupt.asked
        if run.state.step % run.settings.log_every:
            return False
        asked = torch.tensor([float(interrupt.asked)], device=run.accelerator.device)
        return bool(run.accelerator.reduce(asked, "sum").item())

    def _next(self, batches: Iterator[Batch]) -> Batch:
        began = time.perf_counter()
        batch = next(batches)
        self._pace.waited += time.perf_counter() - began
        return batch.to(self.run.accelerator.device)

    def _update(self) -> None:
        """Clip, and let the optimizer step where all gradients of this update are there."""
        run, optimizer = self.run, self.run.state.optimizer
        if run.accelerator.sync_gradients:
            self._norm = run.accelerator.clip_grad_norm_(
                run.state.parameters.values(), run.settings.clip
            )
            if run.state.scaler is None:
                # Fused AdamW then leaves weights and state as they are, without asking the host.
                inner: Any = optimizer.optimizer
                inner.found_inf = (~self._norm.isfinite()).float()
        optimizer.step()
        optimizer.zero_grad()

    def _mean_over_ranks(self, values: Tensor) -> Tensor:
        mean: Tensor = self.run.accelerator.reduce(values, "mean")
        return mean

    def _samples_seen(self) -> int:
        run = self.run
        batches: int = run.state.step * run.settings.accumulation * run.accelerator.num_processes
        return batches * run.settings.batch_size
