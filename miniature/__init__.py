"""The miniature: an SDXL pipeline in small that comes with onepic, so that everything runs."""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """The diffusers folder of the miniature, to be used wherever a model is named."""
    return Path(__file__).parent / "sdxl"
