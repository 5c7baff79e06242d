"""Masked sampling, one idea to a function, in the paper's symbols.

x_0 is the canvas whose context is known, [1 or B, C, H, W], m its target mask of zeros and ones,
[1, 1, H, W]. The state is what a scheduler works on, [B, C, H, W]; only its target matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..backbones.sampling import Sampling

#: From the network's input and a timestep to what it predicts, both [B, C, H, W].
Predict = Callable[[Tensor, Tensor], Tensor]


def compose(m: Tensor, target: Tensor, x_0: Tensor) -> Tensor:
    """Inside m the target, outside exactly x_0."""
    return torch.where(m.bool(), target, x_0.to(target.dtype))


def network_input(
    m: Tensor, state: Tensor, x_0: Tensor, scheduler: Any, t: Tensor, sampling: Sampling
) -> Tensor:
    """What the network sees: m seen(state) + (1 - m) x_0.

    A scheduler's scaling is for the noisy part alone: in training the context was never scaled
    and never noised.
    """
    return compose(m, sampling.seen(scheduler, state, t), x_0)


def denoise(
    m: Tensor,
    x_0: Tensor,
    state: Tensor,
    scheduler: Any,
    sampling: Sampling,
    predict: Predict,
    step_options: dict[str, Any],
    after_step: Callable[[int, Tensor, Tensor], Tensor],
) -> Tensor:
    """Fill the target: the canvas [B, C, H, W] with its context exactly x_0.

    Args:
        m: the mask.
        x_0: the canvas.
        state: the scheduler's first, of `sampling.begin`.
        scheduler: any of diffusers', with its timesteps set.
        sampling: the model's.
        predict: the network, with its prompts and its guidance.
        step_options: for the scheduler's `step`, such as a generator.
        after_step: is given the number of the step, its timestep and the new state, and returns
            the state to go on with.
    """
    for number, t in enumerate(scheduler.timesteps):
        prediction = predict(network_input(m, state, x_0, scheduler, t, sampling), t)
        state = scheduler.step(prediction, t, state, **step_options, return_dict=False)[0]
        state = after_step(number, t, state)
    return compose(m, state, x_0)


def guide(predictions: tuple[Tensor, ...], scales: tuple[float, ...]) -> Tensor:
    """Classifier-free guidance from the least to the best informed prediction.

    With two, e_0 + s (e_1 - e_0). With three each scale takes the next piece of information, as
    in InstructPix2Pix (Brooks et al. 2023, equation 3): nothing, then the context, then the prompt.
    """
    guided = predictions[0]
    for before, after, scale in zip(predictions, predictions[1:], scales, strict=False):
        guided = guided + scale * (after - before)
    return guided


def rescale_guidance(guided: Tensor, informed: Tensor, m: Tensor, share: float) -> Tensor:
    """Bring the deviation inside m part of the way back to the informed prediction's.

    Lin et al. 2024, section 3.4; `share` is their phi. The context is no prediction of anything,
    so that it has no say.
    """
    rescaled = guided * (_deviation(informed, m) / _deviation(guided, m))
    return share * rescaled + (1 - share) * guided


def _deviation(values: Tensor, m: Tensor) -> Tensor:
    """The standard deviation of each sample inside m, [B, 1, 1, 1]."""
    inside = m.to(values.dtype).expand_as(values)
    count = inside.sum(dim=(1, 2, 3), keepdim=True)
    mean = (values * inside).sum(dim=(1, 2, 3), keepdim=True) / count
    squared = ((values - mean) * inside).square().sum(dim=(1, 2, 3), keepdim=True)
    return (squared / count).sqrt()
