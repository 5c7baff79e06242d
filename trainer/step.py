"""From a batch to its losses: noise, the network's prediction, and the masked error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import objective
from .loader import Batch
from .settings import Settings


@dataclass(frozen=True)
class Objective:
    """The masked objective with a model's noise schedule.

    `abar` are the cumulative products of alphas, float32 [T], on the device of the batches.
    """

    abar: Tensor
    prediction_type: str
    min_snr: float | None = None
    noise_offset: float = 0.0

    @classmethod
    def of(cls, settings: Settings, abar: Tensor, prediction_type: str) -> Objective:
        """The objective that the settings describe."""
        return cls(abar, prediction_type, settings.min_snr, settings.noise_offset)

    def losses(self, unet: Any, batch: Batch, seed: int) -> Tensor:
        """Each sample's loss, float32 [B], with noise and timesteps that follow from `seed`."""
        random = torch.Generator(batch.latents.device).manual_seed(seed)
        t = objective.draw_timesteps(len(batch.latents), len(self.abar), random)
        eps = objective.draw_noise(batch.latents.shape, self.noise_offset, random)
        losses = self.errors(unet, batch, eps, t)
        if self.min_snr is None:
            return losses
        weight = objective.min_snr_weight(self.abar[t], self.min_snr, self.prediction_type)
        return losses * weight

    def errors(self, unet: Any, batch: Batch, eps: Tensor, t: Tensor) -> Tensor:
        """Each sample's masked error, float32 [B], at timesteps t, int64 [B], with noise eps."""
        x_0, m, abar_t = batch.latents.float(), batch.mask, self.abar[t]
        x_t = objective.noise_target(x_0, eps, m, abar_t)
        target = objective.regression_target(x_0, eps, abar_t, self.prediction_type)
        return objective.masked_loss(predict(unet, x_t, t, batch), target, m)


def predict(unet: Any, x_t: Tensor, t: Tensor, batch: Batch) -> Tensor:
    """The network's output for x_t, [B, C, H, W], with the batch's prompts and sizes."""
    device = x_t.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_t.dtype
    # Sizes stay float32: half precision cannot tell 1331 px from 1333.
    sizes = {"text_embeds": batch.pooled.to(dtype), "time_ids": batch.time_ids}
    output: Tensor = unet(
        x_t.to(dtype), t, batch.hidden.to(dtype), added_cond_kwargs=sizes, return_dict=False
    )[0]
    return output


def spread_timesteps(places: Sequence[int], count: int, steps: int) -> Tensor:
    """The middle of the n-th of `count` equal parts of a schedule for each place n, int64 [B].

    So even a few samples cover it evenly.
    """
    return torch.tensor([(2 * n + 1) * steps // (2 * count) for n in places])


def noise_at(places: Sequence[int], shape: Sequence[int], seed: int) -> Tensor:
    """Unit normal noise, float32 [B, *shape], that of a sample following from its place alone."""
    random = [torch.Generator().manual_seed(seed_of_batch(seed, place)) for place in places]
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in random])


def seed_of_batch(seed: int, number: int) -> int:
    """The seed of a batch's noise: batches of a run, and runs of other seeds, differ."""
    return (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + 1) % 2**63
