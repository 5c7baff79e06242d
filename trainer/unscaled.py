"""An adapter's weights with its scale in them, so that no reader has to know of the scale.

A LoRA adds B A scaled by alpha / rank. The tensors of a file say the rank; alpha stands in the
file's header or beside it, and not every program looks there: one that does not would take the
scale for 1. So what is written has the scale in its weights, and says that it is 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from .adapter_settings import AdapterSettings

#: The factor of each kind's product that takes the scale; a LoKr has one of the last two.
_FACTORS = ("lora_B.weight", "hada_w1_a", "lokr_w1", "lokr_w1_a")


def scale_of(settings: AdapterSettings) -> float:
    """The scale of the product of an adapter's factors."""
    root = math.sqrt(settings.rank) if settings.kind == "rslora" else settings.rank
    return settings.alpha / root


def with_scale_inside(
    state: Mapping[str, Tensor], settings: AdapterSettings
) -> tuple[dict[str, Tensor], AdapterSettings]:
    """Weights of `adapter_state` (float32) that need no scale, and settings that say so.

    An rsLoRA is then a LoRA: the two differ in their scale alone.
    """
    scale = scale_of(settings)
    inside = {n: value * scale if n.endswith(_FACTORS) else value for n, value in state.items()}
    kind = "lora" if settings.kind == "rslora" else settings.kind
    return inside, settings.model_copy(update={"kind": kind, "alpha": settings.rank})
