"""Schedulers by the names that people know them by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

from ..backbones.sampling import Sampling
from ..common.errors import TaskError
from ..common.strict import suggest
from .request import SchedulerName


def make_scheduler(name: SchedulerName, config: Mapping[str, Any], sampling: Sampling) -> Any:
    """A scheduler with the noise schedule of another one's config.

    Raises:
        TaskError: when there is none of this name for the model; listing those that there are.
    """
    if name not in sampling.schedulers:
        raise TaskError(f"--scheduler {name}: {suggest(name, sampling.schedulers)}")
    kind, options = sampling.schedulers[name]
    scheduler = getattr(diffusers, kind)
    # Diffusers would print a warning about each setting that only the other one has.
    known = {
        key: value
        for key, value in config.items()
        if key in inspect.signature(scheduler).parameters or key.startswith("_")
    }
    return scheduler.from_config(known, **options)
