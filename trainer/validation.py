"""The loss on samples that are never trained on, always with the same noise and timesteps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from ..compiler.errors import RunError
from .loader import Batch, CanvasLoader
from .order import Numbers
from .step import Objective, seed_of_batch

#: The same for all runs, whatever their own seed is.
_SEED = 0


class Validation:
    """Measures a U-Net on the held-out samples `parts` of each dataset, which `loader` gives once.

    The n-th of N samples has the timestep in the middle of the n-th of N equal parts of the
    schedule, so that even a few samples cover it evenly, and noise of its own.
    """

    def __init__(
        self, loader: CanvasLoader, parts: Sequence[Numbers], accelerator: Accelerator
    ) -> None:
        self._loader, self._parts, self._accelerator = loader, parts, accelerator
        self._offsets = np.cumsum([0, *map(len, parts)])
        self._kept: list[Batch] = []

    @torch.inference_mode()
    def measure(self, unet: Any, objective: Objective) -> float:
        """The mean masked error over all held-out samples, on every rank.

        Raises:
            RunError: naming the samples for which it is not finite.
        """
        device = self._accelerator.device
        total = torch.zeros(1, dtype=torch.float64, device=device)
        broken: list[str] = []
        unet.eval()
        for batch in self._batches():
            places = self._places(batch)
            eps = torch.stack([self._noise(batch, place) for place in places]).to(device)
            t = torch.tensor(
                [(2 * n + 1) * len(objective.abar) // (2 * self._offsets[-1]) for n in places],
                device=device,
            )
            with self._accelerator.autocast():
                errors = objective.errors(unet, batch.to(device), eps, t).double()
            bad = ~errors.isfinite().cpu().numpy()
            broken += self._loader.names(batch.dataset, batch.samples[bad])
            total += errors.sum()
        unet.train()
        if names := gather_object(broken):
            raise RunError(
                f"the validation loss is not finite, for {'; '.join(names[:3])}"
                f"{f' and {len(names) - 3} more' if len(names) > 3 else ''}; go on with --resume "
                "from the last checkpoint, and try a lower learning_rate"
            )
        total = self._accelerator.reduce(total, "sum")
        return float(total.item() / self._offsets[-1])

    def _batches(self) -> Iterable[Batch]:
        """The held-out samples; remote ones are kept, or they would fill the cache each time."""
        if not self._loader.is_remote:
            return self._loader
        self._kept = self._kept or list(self._loader)
        return self._kept

    def _places(self, batch: Batch) -> list[int]:
        """Which of all held-out samples these are."""
        found = np.searchsorted(self._parts[batch.dataset], batch.samples)
        return [int(place) for place in found + self._offsets[batch.dataset]]

    @staticmethod
    def _noise(batch: Batch, place: int) -> Tensor:
        random = torch.Generator().manual_seed(seed_of_batch(_SEED, place))
        return torch.randn(batch.latents.shape[1:], generator=random)
