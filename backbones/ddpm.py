"""Noise of a fixed schedule, as in DDPM; the network predicts the noise or a velocity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from ..common.errors import ModelError
from .process import per_sample

_PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Ddpm:
    """`abar` are the schedule's cumulative products of alphas, float32 [T], for t = 0 … T - 1.

    Raises:
        ValueError: for a prediction type other than ``epsilon`` and ``v_prediction``.
    """

    abar: Tensor
    prediction_type: str

    def __post_init__(self) -> None:
        if self.prediction_type not in _PREDICTIONS:
            known = " or ".join(_PREDICTIONS)
            raise ValueError(f"predicts {self.prediction_type!r}; expected {known}")

    def to(self, device: torch.device | str) -> Ddpm:
        """The same process, for tensors on a device."""
        return replace(self, abar=self.abar.to(device))

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Uniform timesteps 0 … T - 1, int64 [count]."""
        return torch.randint(len(self.abar), (count,), generator=random, device=random.device)

    def noisy(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps."""
        abar_t = per_sample(self.abar[t])
        return abar_t.sqrt() * x_0 + (1 - abar_t).sqrt() * eps

    def target(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """The noise eps, or v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0."""
        if self.prediction_type == "epsilon":
            return eps
        abar_t = per_sample(self.abar[t])
        return abar_t.sqrt() * eps - (1 - abar_t).sqrt() * x_0

    def min_snr_weight(self, t: Tensor, gamma: float) -> Tensor:
        """min(SNR, gamma) / SNR for eps and min(SNR, gamma) / (SNR + 1) for v, [B].

        SNR is abar_t / (1 - abar_t); see Hang et al. 2023.
        """
        abar_t = self.abar[t]
        snr = abar_t / (1 - abar_t)
        capped = snr.clamp(max=gamma)
        if self.prediction_type == "v_prediction":
            return capped / (snr + 1)
        # The limit where the schedule ends in pure noise and SNR is 0.
        return torch.where(snr > 0, capped / snr, torch.ones_like(snr))

    def spread(self, places: Sequence[int], count: int) -> Tensor:
        """The middle of the n-th of `count` equal parts of the schedule, int64 [B]."""
        return torch.tensor([(2 * n + 1) * len(self.abar) // (2 * count) for n in places])


def read_ddpm(folder: Path) -> Ddpm:
    """The process of a model whose scheduler has its settings in `folder`.

    Raises:
        ModelError: when it cannot be read, or predicts something that is not known here.
    """
    try:
        scheduler = DDPMScheduler.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} cannot be read: {error}") from error
    try:
        return Ddpm(scheduler.alphas_cumprod, scheduler.config.prediction_type)
    except ValueError as error:
        raise ModelError(f"{folder}: {error}") from error
