"""What the model expects of latents, and whether a dataset's are anything like it.

A U-Net is trained on latents that its pipeline has brought to a mean near 0 and a deviation near 1:
multiplied by the VAE's ``scaling_factor``, or, where the VAE's config has ``latents_mean`` and
``latents_std``, brought by these to 0 and 1 and then multiplied.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .statistics import Channel

#: How many times greater or smaller a deviation has to be to count as far off. Pictures differ by
#: half; a scaling factor that is missing or there twice makes 5 to 8 of it.
FAR_OFF = 3.5
#: Deviations between the expected mean and one that is far off; all white or black is 2 to 3.
FAR_MEAN = 4.0
_VAE_CONFIG = "vae/config.json"


@dataclass(frozen=True)
class Expectation:
    """Mean and deviation of the latents that a model was trained on, and where that is said."""

    mean: float
    deviation: float
    source: str


def expectation_of(info: Mapping[str, Any]) -> tuple[Expectation, list[str]]:
    """What the model of a dataset expects, and where its VAE and dataset.json disagree.

    `info` is what dataset.json holds. Nothing is fetched: of a model that is not on this machine
    only what dataset.json says is known.
    """
    model = info["model"]
    config = _read_vae_config(model["name"], model["revision"])
    scaling = model["scaling_factor"]
    if config is None:
        return Expectation(0.0, 1.0, f"dataset.json, scaling factor {scaling:g}"), []
    problems = []
    configured = config.get("scaling_factor", scaling)
    if configured != scaling:
        problems.append(
            f"latents are multiplied by {scaling:g}, but the VAE of {model['name']} has "
            f"scaling_factor {configured:g}; compile again with the model that will be trained"
        )
    if config.get("latents_mean") and config.get("latents_std"):
        source = f"the VAE's config, latents_mean, latents_std, scaling factor {configured:g}"
        return Expectation(0.0, configured, source), problems
    return Expectation(0.0, 1.0, f"the VAE's config, scaling factor {configured:g}"), problems


def pooled_deviation(channels: Sequence[Channel]) -> float | None:
    """The deviation within channels, over all of them; None where there is no finite value."""
    found = [channel.deviation for channel in channels if channel.deviation is not None]
    return math.sqrt(sum(value**2 for value in found) / len(found)) if found else None


def judge(
    channels: Sequence[Channel], expected: Expectation, info: Mapping[str, Any]
) -> str | None:
    """What is far off in the latents of a dataset; None where nothing is."""
    deviation = pooled_deviation(channels)
    if deviation is None:
        return None
    ratio = deviation / expected.deviation
    if not 1 / FAR_OFF < ratio < FAR_OFF:
        return (
            f"the latents' deviation is {deviation:.3g} where the model expects about "
            f"{expected.deviation:g}{_guess(ratio, info['model']['scaling_factor'])}"
        )
    worst = max((abs(c.mean - expected.mean) for c in channels if c.mean is not None), default=0.0)
    if worst > FAR_MEAN * expected.deviation:
        return (
            f"a channel's mean is {worst:.3g} away from {expected.mean:g}, which the model "
            "expects: look at the pictures, and at shift_factor in the VAE's config"
        )
    return None


def _guess(ratio: float, scaling: float) -> str:
    """What would explain a deviation that is so many times too great."""
    if 0.4 < ratio * scaling < 1.6:
        return f": they look as if never multiplied by the scaling factor, {scaling:g}"
    if 0.4 < ratio / scaling < 1.6:
        return f": they look as if multiplied by the scaling factor, {scaling:g}, twice"
    return ": look at the pictures, and at the scaling factor in the VAE's config"


def _read_vae_config(name: str, revision: str | None) -> dict[str, Any] | None:
    """The VAE's config.json, from a folder or the Hub's cache; None where it is in neither."""
    try:
        config = json.loads(_find_vae_config(name, revision).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def _find_vae_config(name: str, revision: str | None) -> Path:
    if name == "miniature":
        from ... import miniature

        return miniature.path() / _VAE_CONFIG
    if (folder := Path(name).expanduser()).is_dir():
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
