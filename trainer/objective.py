"""The masked objective, one idea to a function, in the paper's symbols.

x_0 are clean latents [B, C, H, W], m the target mask [B, 1, H, W] of zeros and ones, eps the noise.
How much noise a timestep adds is the model's affair: see `backbones.process`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def noise_target(x_0: Tensor, noisy: Tensor, m: Tensor) -> Tensor:
    """The network's input x_t (equations 1 and 2): noise inside the target, clean context outside.

    x_t = noisy m + x_0 (1 - m), with the context exactly x_0; `noisy` are the latents with noise
    everywhere, as the model's diffusion process adds it.
    """
    return torch.where(m.bool(), noisy, x_0)


def masked_loss(prediction: Tensor, target: Tensor, m: Tensor) -> Tensor:
    """Each sample's squared error inside the target (equation 3), float32 [B].

    sum(m (target - prediction)^2) / (C sum(m)): a mean over the target's cells, so that layouts
    with targets of different size compare. Outside of m the gradient is exactly zero.
    """
    m = m.float()
    squared = (target.float() - prediction.float()).square() * m
    cells = m.sum(dim=(1, 2, 3)).clamp(min=1)
    return squared.sum(dim=(1, 2, 3)) / (prediction.shape[1] * cells)


def draw_noise(shape: torch.Size, offset: float, random: torch.Generator) -> Tensor:
    """Unit normal noise; `offset` times one more number for each sample and channel is added.

    With an offset the model learns to change a picture's overall brightness (Guttenberg 2023).
    """
    eps = torch.randn(shape, generator=random, device=random.device)
    if offset:
        shift = torch.randn((*shape[:2], 1, 1), generator=random, device=random.device)
        eps += offset * shift
    return eps
