"""Sampling with one of diffusers' schedulers, for models of one diffusion process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

#: A class of diffusers' schedulers, and options in which it differs from its defaults.
Scheduler = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Sampling:
    """The schedulers that a sampler offers, and how it uses one.

    Attributes:
        schedulers: those that are offered, by name.
        begin: sets a scheduler's timesteps, and makes unit normal noise its first state.
        seen: a scheduler's state at a timestep, as the network was trained to see it.
    """

    schedulers: Mapping[str, Scheduler]
    begin: Callable[[Any, int, Tensor], Tensor]
    seen: Callable[[Any, Tensor, Tensor], Tensor]


def _begin_scaled(scheduler: Any, steps: int, noise: Tensor) -> Tensor:
    scheduler.set_timesteps(steps, device=noise.device)
    state: Tensor = noise * scheduler.init_noise_sigma
    return state


def _seen_scaled(scheduler: Any, state: Tensor, t: Tensor) -> Tensor:
    # Some schedulers count noise in multiples of the latents' size.
    scaled: Tensor = scheduler.scale_model_input(state, t)
    return scaled


def _begin_plain(scheduler: Any, steps: int, noise: Tensor) -> Tensor:
    scheduler.set_timesteps(steps, device=noise.device)
    return noise


def _seen_plain(_scheduler: Any, state: Tensor, _t: Tensor) -> Tensor:
    return state


#: For models with a noise schedule.
SCHEDULE = Sampling(
    {
        "ddim": ("DDIMScheduler", {}),
        "ddpm": ("DDPMScheduler", {}),
        "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
        "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
        "euler": ("EulerDiscreteScheduler", {}),
        "euler_a": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "lcm": ("LCMScheduler", {}),
        "unipc": ("UniPCMultistepScheduler", {}),
    },
    _begin_scaled,
    _seen_scaled,
)

#: For models of flow matching.
FLOW = Sampling(
    {
        "euler": ("FlowMatchEulerDiscreteScheduler", {}),
        "heun": ("FlowMatchHeunDiscreteScheduler", {}),
    },
    _begin_plain,
    _seen_plain,
)
