"""How SDXL's U-Net is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def predict(
    unet: Any,
    x_t: Tensor,
    t: Tensor,
    texts: Mapping[str, Tensor],
    conditions: Mapping[str, Tensor],
) -> Tensor:
    """The output for x_t, [B, C, H, W], with prompts and sizes; see `Backbone.predict`."""
    # Sizes stay float32: half precision cannot tell 1331 px from 1333.
    added = {"text_embeds": texts["pooled"], "time_ids": conditions["time_ids"]}
    output: Tensor = unet(x_t, t, texts["hidden"], added_cond_kwargs=added, return_dict=False)[0]
    return output
