"""Straight paths from latents to noise (rectified flow, Liu et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..common.errors import SettingsError
from .process import per_sample


@dataclass(frozen=True)
class Flow:
    """Timesteps t = `steps` sigma, where the share of noise sigma is uniform in 0 … 1."""

    steps: int = 1000

    def to(self, device: torch.device | str) -> Flow:  # noqa: ARG002 - it keeps no tensor
        """The same process."""
        return self

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Uniform timesteps, float32 [count]."""
        return self.steps * torch.rand((count,), generator=random, device=random.device)

    def noisy(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t = (1 - sigma) x_0 + sigma eps."""
        sigma = per_sample(t) / self.steps
        return (1 - sigma) * x_0 + sigma * eps

    def target(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:  # noqa: ARG002 - alike for all
        """The velocity eps - x_0."""
        return eps - x_0

    def min_snr_weight(self, t: Tensor, gamma: float) -> Tensor:  # noqa: ARG002 - refused
        """There is none.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(
            "min_snr: it weighs the steps of a noise schedule, and this model was trained by flow "
            "matching; leave the setting out"
        )

    def spread(self, places: Sequence[int], count: int) -> Tensor:
        """The middle of the n-th of `count` equal parts of 0 … `steps`, float32 [B]."""
        return torch.tensor([(2 * n + 1) * self.steps / (2 * count) for n in places])
