"""Which engine a run gets."""

from __future__ import annotations

from .engine import EncoderSettings, Engine, Scheduling
from .local import LocalEngine


def open_engine(settings: EncoderSettings, scheduling: Scheduling) -> Engine:
    """The engine that the scheduling asks for; it has to be closed."""
    if scheduling.local:
        return LocalEngine(settings)
    from .on_ray import RayEngine

    return RayEngine(settings, scheduling)
