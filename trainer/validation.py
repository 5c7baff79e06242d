"""The loss on samples that are never trained on, always with the same noise and timesteps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from .canvases import Canvases
from .loader import Batch, CanvasLoader
from .order import Numbers
from .step import Objective, noise_at, spread_timesteps

#: The same for all runs, whatever their own seed is.
_SEED = 0


@dataclass(frozen=True)
class Measured:
    """Mean masked errors over the held-out samples.

    `loss` is that of the canvases as they are, `other_context` the one when each target stands in
    the context of another sample: the two are equal as long as nothing was learned of the context.
    """

    loss: float
    other_context: float


class NotFiniteValidationError(Exception):
    """Held-out samples have a loss that is NaN or infinite.

    `samples` are their names, each with what it is called in the setting `skip_samples`.
    """

    def __init__(self, samples: Sequence[tuple[str, str]]) -> None:
        super().__init__("the validation loss is not finite")
        self.samples = tuple(samples)


class Validation:
    """Measures a U-Net on the held-out samples `parts` of each dataset, which `loader` gives once.

    The n-th of N samples has the timestep in the middle of the n-th of N equal parts of the
    schedule, so that even a few samples cover it evenly, and noise of its own. `others` gives the
    samples whose contexts are lent, in as many batches: see `lenders`.
    """

    def __init__(
        self,
        loader: CanvasLoader,
        others: CanvasLoader,
        parts: Sequence[Numbers],
        accelerator: Accelerator,
    ) -> None:
        self._loader, self._others = loader, others
        self._parts, self._accelerator = parts, accelerator
        self._offsets = np.cumsum([0, *map(len, parts)])
        self._kept: list[tuple[Batch, Batch]] = []

    @torch.inference_mode()
    def measure(self, unet: Any, objective: Objective) -> Measured:
        """The mean masked errors over all held-out samples, on every rank.

        Raises:
            NotFiniteValidationError: naming the samples for which it is not finite.
        """
        device = self._accelerator.device
        totals = torch.zeros(2, dtype=torch.float64, device=device)
        broken: list[tuple[str, str]] = []
        unet.eval()
        for batch, other in self._batches():
            places = self._places(batch)
            eps = noise_at(places, batch.latents.shape[1:], _SEED).to(device)
            t = spread_timesteps(places, self._offsets[-1], len(objective.abar)).to(device)
            with self._accelerator.autocast():
                errors = torch.stack(
                    [
                        objective.errors(unet, seen.to(device), eps, t).double()
                        for seen in (batch, in_context_of(batch, other))
                    ]
                )
            bad = ~errors[0].isfinite().cpu().numpy()
            broken += self._named(batch.dataset, batch.samples[bad])
            totals += errors.sum(dim=1)
        unet.train()
        if found := gather_object(broken):
            raise NotFiniteValidationError(found)
        totals = self._accelerator.reduce(totals, "sum") / self._offsets[-1]
        return Measured(*totals.tolist())

    def _batches(self) -> Iterable[tuple[Batch, Batch]]:
        """The held-out samples; remote ones are kept, or they would fill the cache each time."""
        pairs: Iterator[tuple[Batch, Batch]] = zip(self._loader, self._others, strict=True)
        if not self._loader.is_remote:
            return pairs
        self._kept = self._kept or list(pairs)
        return self._kept

    def _named(self, dataset: int, samples: Numbers) -> list[tuple[str, str]]:
        names = self._loader.names(dataset, samples)
        return list(zip(names, self._loader.labels(dataset, samples), strict=True))

    def _places(self, batch: Batch) -> list[int]:
        """Which of all held-out samples these are."""
        found = np.searchsorted(self._parts[batch.dataset], batch.samples)
        return [int(place) for place in found + self._offsets[batch.dataset]]


def lenders(datasets: Sequence[Canvases], parts: Sequence[Numbers]) -> list[Numbers]:
    """The held-out samples anew, so that each comes when the next one of its shape came before."""
    lending = []
    for dataset, part in zip(datasets, parts, strict=True):
        shapes = dataset.samples.shape[part]
        rolled = [np.roll(part[shapes == shape], 1) for shape in np.unique(shapes)]
        lending.append(np.concatenate([part[:0], *rolled]))
    return lending


def in_context_of(batch: Batch, other: Batch) -> Batch:
    """The batch with its own targets, in the contexts of another."""
    return replace(batch, latents=torch.where(batch.mask.bool(), batch.latents, other.latents))
