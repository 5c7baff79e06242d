"""The loss on samples that are never trained on, always with the same noise and timesteps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from ..dataset.samples import Numbers
from .canvases import Canvases
from .loader import Batch, CanvasLoader
from .step import Objective, noise_at

#: The same for all runs, whatever their own seed is.
_SEED = 0


@dataclass(frozen=True)
class Measured:
    """Mean masked errors over the held-out samples.

    `loss` is that of the canvases as they are, `other_context` the one when each target stands in
    the context of another sample: the two are equal as long as nothing was learned of the context.
    Where several datasets have such samples, `losses` has the `loss` of each, by its name.
    """

    loss: float
    other_context: float
    losses: Mapping[str, float] = field(default_factory=dict)


class NotFiniteValidationError(Exception):
    """Held-out samples have a loss that is NaN or infinite.

    `samples` are their names, each with what it is called in the setting `skip_samples`.
    """

    def __init__(self, samples: Sequence[tuple[str, str]]) -> None:
        super().__init__("the validation loss is not finite")
        self.samples = tuple(samples)


class Validation:
    """Measures a network on held-out samples, `parts` of each dataset, which `loader` gives once.

    The n-th of a dataset's N samples has the timestep in the middle of the n-th of N equal parts of
    the schedule, so that even a few samples cover it evenly, and noise of its own. `others` gives
    the samples whose contexts are lent, in as many batches: see `lenders`. `names` are what the
    datasets are called, and `are_own` says that they are not the ones that are trained on.
    """

    def __init__(
        self,
        loader: CanvasLoader,
        others: CanvasLoader,
        parts: Sequence[Numbers],
        names: Sequence[str],
        accelerator: Accelerator,
        are_own: bool = False,
    ) -> None:
        self._loader, self._others, self._are_own = loader, others, are_own
        self._parts, self._names, self._accelerator = parts, names, accelerator
        self._offsets = np.cumsum([0, *map(len, parts)])
        self._kept: list[tuple[Batch, Batch]] = []

    @torch.inference_mode()
    def measure(self, network: Any, objective: Objective) -> Measured:
        """The mean masked errors over all held-out samples, on every rank.

        Raises:
            NotFiniteValidationError: naming the samples for which it is not finite.
        """
        device = self._accelerator.device
        totals = torch.zeros(len(self._parts), 2, dtype=torch.float64, device=device)
        broken: list[tuple[str, str]] = []
        network.eval()
        for batch, other in self._batches():
            part = self._parts[batch.dataset]
            places = np.searchsorted(part, batch.samples)
            of_all = (places + self._offsets[batch.dataset]).tolist()
            eps = noise_at(of_all, batch.latents.shape[1:], _SEED).to(device)
            t = objective.process.spread(places.tolist(), len(part)).to(device)
            with self._accelerator.autocast():
                errors = torch.stack(
                    [
                        objective.errors(network, seen.to(device), eps, t).double()
                        for seen in (batch, in_context_of(batch, other))
                    ]
                )
            bad = ~errors[0].isfinite().cpu().numpy()
            broken += self._named(batch.dataset, batch.samples[bad])
            totals[batch.dataset] += errors.sum(dim=1)
        network.train()
        if found := gather_object(broken):
            raise NotFiniteValidationError(found)
        return self._mean(self._accelerator.reduce(totals, "sum"))

    def _mean(self, totals: Tensor) -> Measured:
        """From sums over the samples of each dataset, float64 [datasets, 2]."""
        loss, other_context = (totals.sum(dim=0) / self._offsets[-1]).tolist()
        named = zip(self._names, totals[:, 0].tolist(), self._parts, strict=True)
        losses = {name: total / len(part) for name, total, part in named if len(part)}
        return Measured(loss, other_context, losses if len(losses) > 1 else {})

    def _batches(self) -> Iterable[tuple[Batch, Batch]]:
        """The held-out samples; remote ones are kept, or they would fill the cache each time."""
        pairs: Iterator[tuple[Batch, Batch]] = zip(self._loader, self._others, strict=True)
        if not self._loader.is_remote:
            return pairs
        self._kept = self._kept or list(pairs)
        return self._kept

    def _named(self, dataset: int, samples: Numbers) -> list[tuple[str, str]]:
        names = self._loader.names(dataset, samples)
        return list(zip(names, self._loader.labels(dataset, samples, self._are_own), strict=True))


def lenders(
    datasets: Sequence[Canvases], parts: Sequence[Numbers], sets: Sequence[Numbers]
) -> list[Numbers]:
    """The held-out samples anew: each comes when another one of its shape came before.

    That is one of another set wherever possible, as the contexts within one are alike; `sets` are
    those of the samples.
    """
    lending = []
    for dataset, part, of in zip(datasets, parts, sets, strict=True):
        shapes = dataset.samples.shape[part]
        alike = [shapes == shape for shape in np.unique(shapes)]
        rolled = [np.roll(part[same], _distance(of[same])) for same in alike]
        lending.append(np.concatenate([part[:0], *rolled]))
    return lending


def _distance(sets: Numbers) -> int:
    """By how many places samples with these sets are rolled, to meet most that are of others."""
    largest = int(np.unique(sets, return_counts=True)[1].max())
    tried = dict.fromkeys([1, largest, max(1, len(sets) // 2)])
    return max(tried, key=lambda distance: int((sets != np.roll(sets, distance)).sum()))


def in_context_of(batch: Batch, other: Batch) -> Batch:
    """The batch with its own targets, in the contexts of another."""
    return replace(batch, latents=torch.where(batch.mask.bool(), batch.latents, other.latents))
