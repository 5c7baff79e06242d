"""Schedulers by the names that people know them by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

from .request import SchedulerName

_KNOWN: dict[SchedulerName, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}


def make_scheduler(name: SchedulerName, config: Mapping[str, Any]) -> Any:
    """A scheduler with the noise schedule of another one's config."""
    kind, options = _KNOWN[name]
    scheduler = getattr(diffusers, kind)
    # Diffusers would print a warning about each setting that only the other one has.
    known = {
        key: value
        for key, value in config.items()
        if key in inspect.signature(scheduler).parameters or key.startswith("_")
    }
    return scheduler.from_config(known, **options)
