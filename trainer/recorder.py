"""Losses of the last steps, kept on the device until somebody asks: a step never waits for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..dataset.samples import Numbers
from .loader import Batch


class NotFiniteError(Exception):
    """A loss was NaN or infinite at `step`.

    `samples` are those of dataset `dataset` to blame; none where they are another rank's.
    """

    def __init__(self, step: int, dataset: int, samples: Numbers) -> None:
        super().__init__(f"the loss is not finite at step {step}")
        self.step, self.dataset, self.samples = step, dataset, samples


@dataclass(frozen=True)
class _Seen:
    """The losses of a batch, float32 [B], and what it was."""

    step: int
    dataset: int
    samples: Numbers
    losses: Tensor


@dataclass
class Recorder:
    """Collects each step's losses, one float32 [B] for each of its batches.

    `average` gives the mean of a float32 tensor over all ranks.
    """

    average: Callable[[Tensor], Tensor]
    _seen: list[_Seen] = field(default_factory=list)

    def add(self, step: int, batch: Batch, losses: Tensor) -> None:
        """Note the losses of a batch of `step`."""
        self._seen.append(_Seen(step, batch.dataset, batch.samples, losses.detach()))

    def read(self) -> list[float]:
        """The mean loss of each step since the last call, over batches and ranks.

        Raises:
            NotFiniteError: at the first step whose loss is not finite, on all ranks.
        """
        if not self._seen:
            return []
        seen, self._seen = self._seen, []
        means = self.average(torch.stack([batch.losses.mean() for batch in seen])).tolist()
        steps: dict[int, list[float]] = {}
        for batch, mean in zip(seen, means, strict=True):
            if not math.isfinite(mean):
                bad = ~batch.losses.isfinite().cpu().numpy()
                raise NotFiniteError(batch.step, batch.dataset, batch.samples[bad])
            steps.setdefault(batch.step, []).append(mean)
        return [sum(values) / len(values) for values in steps.values()]
