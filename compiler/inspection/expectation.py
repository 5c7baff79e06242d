"""Expectations that a model has of latents, and whether a dataset's are anything like it.

A network is trained on latents that its pipeline has brought to a mean near 0 and a deviation near
1: multiplied by the VAE's ``scaling_factor``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...backbones.model import local_model
from ...dataset.info_parts import ModelInfo
from .statistics import Channel

#: How many times larger or smaller latents have to be to count as far off. Pictures make a factor
#: of 2, flat colours of 2.6; a scaling factor that is missing or there twice one of 5 to 8.
FAR_OFF = 3.5
_VAE_CONFIG = "vae/config.json"


@dataclass(frozen=True)
class Expectation:
    """Mean and deviation of the latents that a model was trained on, and where that is said."""

    mean: float
    deviation: float
    source: str


def expectation_of(model: ModelInfo) -> tuple[Expectation, list[str]]:
    """Read what the model of a dataset expects, and where its VAE and dataset.json disagree.

    Nothing is fetched: of a model that is not on this machine
    only what dataset.json says is known.
    """
    config = _read_vae_config(model.name, model.revision)
    scaling = model.scaling_factor
    if config is None:
        return Expectation(0.0, 1.0, f"dataset.json, scaling factor {scaling:g}"), []
    problems = []
    configured = config.get("scaling_factor", scaling)
    if configured != scaling:
        problems.append(
            f"latents are multiplied by {scaling:g}, but the VAE of {model.name} has "
            f"scaling_factor {configured:g}; compile again with the model that will be trained"
        )
    return Expectation(0.0, 1.0, f"the VAE's config, scaling factor {configured:g}"), problems


def root_mean_square(channels: Sequence[Channel], about: float = 0.0) -> float | None:
    """How far values lie from `about`, over all channels; None where there is no finite value.

    Unlike a deviation it is not small where a dataset has few colours.
    """
    squares = [
        channel.deviation**2 + (channel.mean - about) ** 2
        for channel in channels
        if channel.mean is not None and channel.deviation is not None
    ]
    return math.sqrt(sum(squares) / len(squares)) if squares else None


def judge(channels: Sequence[Channel], expected: Expectation, scaling: float) -> str | None:
    """Describe what is far off in latents that were multiplied by `scaling`; None if nothing is."""
    size = root_mean_square(channels, expected.mean)
    if size is None or 1 / FAR_OFF < size / expected.deviation < FAR_OFF:
        return None
    guess = _guess(size / expected.deviation, scaling)
    return (
        f"the root mean square of the latents is {size:.3g} where the model expects about "
        f"{expected.deviation:g}: {guess}"
    )


def _guess(ratio: float, scaling: float) -> str:
    """Guess what explains latents that are so many times too large."""
    if 0.4 < ratio * scaling < 1.6:
        return f"they look as if never multiplied by the scaling factor, {scaling:g}"
    if 0.4 < ratio / scaling < 1.6:
        return f"they look as if multiplied by the scaling factor, {scaling:g}, twice"
    return "look at the pictures, and at scaling_factor and shift_factor in the VAE's config"


def _read_vae_config(name: str, revision: str | None) -> dict[str, Any] | None:
    """The VAE's config.json, from a folder or the Hub's cache; None where it is in neither."""
    try:
        config = json.loads(_find_vae_config(name, revision).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def _find_vae_config(name: str, revision: str | None) -> Path:
    if (folder := local_model(name)) is not None:
        return folder / _VAE_CONFIG
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, _VAE_CONFIG, revision=revision)
    except HFValidationError as error:
        raise FileNotFoundError(name) from error
    if not isinstance(found, str):
        raise FileNotFoundError(name)
    return Path(found)
