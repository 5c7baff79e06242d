"""How noise is added to latents and taken away again, in the paper's symbols.

x_0 are clean latents, float32 [B, C, H, W], eps is unit normal noise of the same shape, and t are
timesteps [B], as schedulers and networks take them. The mask is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Process(Protocol):
    """A diffusion process; tensors that it keeps are on the device of `to`."""

    def to(self, device: torch.device | str) -> Process:
        """The same process, for tensors on a device."""

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Timesteps [count] to train on, on the generator's device."""

    def noisy(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t: latents with as much noise as t says."""

    def target(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """The truth that the network is to predict at t."""

    def min_snr_weight(self, t: Tensor, gamma: float) -> Tensor:
        """Weights [B] that keep easy timesteps from dominating (Hang et al. 2023).

        Raises:
            SettingsError: where there are none for this process.
        """

    def spread(self, places: Sequence[int], count: int) -> Tensor:
        """For each place n the timestep in the middle of the n-th of `count` equal parts, [B]."""


def per_sample(values: Tensor) -> Tensor:
    """[B] as float32 [B, 1, 1, 1]."""
    return values.float().reshape(-1, 1, 1, 1)
