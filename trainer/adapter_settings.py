"""The settings of what is trained; reading them needs none of the slow libraries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..common.strict import Strict


class AdapterSettings(Strict):
    """Which weights are trained, and how many; the defaults are those of ONE-PIC (Tao et al.)."""

    kind: Literal["lora", "rslora", "dora", "loha", "lokr", "full"] = Field(
        default="lora",
        description="`full` trains every weight of the U-Net and reads nothing else of these.",
    )
    rank: int = Field(default=32, ge=1)
    alpha: float = Field(
        default=4,
        gt=0,
        description="Scales what is learned: alpha / rank, or with rslora alpha / sqrt(rank).",
    )
    targets: tuple[str, ...] = Field(
        default=("attn1.to_q", "attn1.to_k", "attn1.to_v"),
        min_length=1,
        description="Ends of the names of linear and convolution layers of the U-Net.",
    )
