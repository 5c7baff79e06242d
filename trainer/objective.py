"""The masked objective, one idea to a function, in the paper's symbols.

x_0 are clean latents [B, C, H, W], m the target mask [B, 1, H, W] of zeros and ones, eps the noise,
t the timesteps [B], abar_t the schedule's cumulative product of alphas.
"""

from __future__ import annotations

import torch
from torch import Tensor


def noise_target(x_0: Tensor, eps: Tensor, m: Tensor, abar_t: Tensor) -> Tensor:
    """The network's input x_t (equations 1 and 2): noise inside the target, clean context outside.

    x_t = (sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps) m + x_0 (1 - m), with the context exactly x_0.
    All are float32; abar_t is [B].
    """
    abar_t = _per_sample(abar_t)
    noisy = abar_t.sqrt() * x_0 + (1 - abar_t).sqrt() * eps
    return torch.where(m.bool(), noisy, x_0)


def regression_target(x_0: Tensor, eps: Tensor, abar_t: Tensor, prediction_type: str) -> Tensor:
    """What the network is asked for: eps, or v = sqrt(abar_t) eps - sqrt(1 - abar_t) x_0.

    Raises:
        ValueError: for a prediction type other than ``epsilon`` and ``v_prediction``.
    """
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "v_prediction":
        abar_t = _per_sample(abar_t)
        return abar_t.sqrt() * eps - (1 - abar_t).sqrt() * x_0
    raise ValueError(f"prediction type {prediction_type!r}; known: epsilon, v_prediction")


def masked_loss(prediction: Tensor, target: Tensor, m: Tensor) -> Tensor:
    """Each sample's squared error inside the target (equation 3), float32 [B].

    sum(m (target - prediction)^2) / (C sum(m)): a mean over the target's cells, so that layouts
    with targets of different size compare. Outside of m the gradient is exactly zero.
    """
    m = m.float()
    squared = (target.float() - prediction.float()).square() * m
    cells = m.sum(dim=(1, 2, 3)).clamp(min=1)
    return squared.sum(dim=(1, 2, 3)) / (prediction.shape[1] * cells)


def min_snr_weight(abar_t: Tensor, gamma: float, prediction_type: str) -> Tensor:
    """Weights [B] that keep easy timesteps from dominating (Hang et al. 2023, min-SNR-gamma).

    min(SNR, gamma) / SNR for epsilon and min(SNR, gamma) / (SNR + 1) for v, where SNR is
    abar_t / (1 - abar_t).
    """
    snr = abar_t / (1 - abar_t)
    capped = snr.clamp(max=gamma)
    if prediction_type == "v_prediction":
        return capped / (snr + 1)
    # The limit where the schedule ends in pure noise and SNR is 0.
    return torch.where(snr > 0, capped / snr, torch.ones_like(snr))


def draw_noise(shape: torch.Size, offset: float, random: torch.Generator) -> Tensor:
    """Unit normal noise; `offset` times one more number for each sample and channel is added.

    With an offset the model learns to change a picture's overall brightness (Guttenberg 2023).
    """
    eps = torch.randn(shape, generator=random, device=random.device)
    if offset:
        shift = torch.randn((*shape[:2], 1, 1), generator=random, device=random.device)
        eps += offset * shift
    return eps


def draw_timesteps(count: int, steps: int, random: torch.Generator) -> Tensor:
    """Uniform timesteps 0 … steps - 1, int64 [count]."""
    return torch.randint(steps, (count,), generator=random, device=random.device)


def _per_sample(values: Tensor) -> Tensor:
    """[B] as [B, 1, 1, 1]."""
    return values.float().reshape(-1, 1, 1, 1)
