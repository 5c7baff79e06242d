"""Masked sampling, one idea to a function, in the paper's symbols.

x_0 is the canvas whose context is known, [1 or B, C, H, W], m its target mask of zeros and ones,
[1, 1, H, W]. The state is what a scheduler works on, [B, C, H, W]; only its target matters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor
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
    """The network's input: m seen(state) + (1 - m) x_0.

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


def draw_noise(
    shape: tuple[int, ...], generator: Any, given: Tensor | None, device: torch.device
) -> Tensor:
    """Unit normal noise, float32 [N, C, H, W], on a device; `given` if there is some.

    `generator` is diffusers': one, or one for each of N.

    Raises:
        ValueError: when there are not as many generators, or `given` has another shape.
    """
    if isinstance(generator, list) and len(generator) != shape[0]:
        raise ValueError(f"{len(generator)} generators for {shape[0]} images; give one each")
    if given is None:
        noise: Tensor = randn_tensor(shape, generator, device, torch.float32)
        return noise
    if tuple(given.shape) != shape:
        raise ValueError(f"latents of {tuple(given.shape)}; expected {shape}")
    return given.to(device, torch.float32)
