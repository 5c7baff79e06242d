"""From a batch to its losses: noise, the network's prediction, and the masked error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..backbones.backbone import Backbone
from ..backbones.model import Model
from ..backbones.process import Process
from ..backbones.texts import in_dtype
from . import objective
from .loader import Batch
from .settings import Settings


@dataclass(frozen=True)
class Objective:
    """The masked objective for a model, with its noise on the device of the batches."""

    backbone: Backbone
    process: Process
    min_snr: float | None = None
    noise_offset: float = 0.0

    @classmethod
    def of(
        cls, model: Model, settings: Settings | None = None, device: torch.device | str = "cpu"
    ) -> Objective:
        """The objective that settings describe, by default the paper's.

        Raises:
            ModelError: when the model's scheduler cannot be read.
        """
        process = model.process().to(device)
        if settings is None:
            return cls(model.backbone, process)
        return cls(model.backbone, process, settings.min_snr, settings.noise_offset)

    def losses(self, network: Any, batch: Batch, seed: int) -> Tensor:
        """Each sample's loss, float32 [B], with noise and timesteps that follow from `seed`."""
        random = torch.Generator(batch.latents.device).manual_seed(seed)
        t = self.process.draw(len(batch.latents), random)
        eps = objective.draw_noise(batch.latents.shape, self.noise_offset, random)
        losses = self.errors(network, batch, eps, t)
        if self.min_snr is None:
            return losses
        return losses * self.process.min_snr_weight(t, self.min_snr)

    def errors(self, network: Any, batch: Batch, eps: Tensor, t: Tensor) -> Tensor:
        """Each sample's masked error, float32 [B], at timesteps t, [B], with noise eps."""
        x_0, m = batch.latents.float(), batch.mask
        x_t = objective.noise_target(x_0, self.process.noisy(x_0, eps, t), m)
        target = self.process.target(x_0, eps, t)
        return objective.masked_loss(self.predict(network, x_t, t, batch), target, m)

    def predict(self, network: Any, x_t: Tensor, t: Tensor, batch: Batch) -> Tensor:
        """The network's output for x_t, [B, C, H, W], with the batch's prompts and conditions."""
        device = x_t.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_t.dtype
        texts = in_dtype(batch.texts, dtype)
        return self.backbone.predict(network, x_t.to(dtype), t, texts, batch.conditions)


def noise_at(places: Sequence[int], shape: Sequence[int], seed: int) -> Tensor:
    """Unit normal noise, float32 [B, *shape], that of a sample following from its place alone."""
    random = [torch.Generator().manual_seed(seed_of_batch(seed, place)) for place in places]
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in random])


def seed_of_batch(seed: int, number: int) -> int:
    """The seed of a batch's noise: batches of a run, and runs of other seeds, differ."""
    return (seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + 1) % 2**63
