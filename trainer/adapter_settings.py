"""The settings of what is trained; reading them needs none of the slow libraries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..backbones.backbone import Backbone
from ..common.strict import Strict


class AdapterSettings(Strict):
    """Which weights are trained, and how many; the defaults are those of ONE-PIC (Tao et al.)."""

    kind: Literal["lora", "rslora", "dora", "loha", "lokr", "full"] = Field(
        default="lora",
        description="Kind of the adapter; `full` trains every weight of the network instead, and "
        "reads nothing else of these.",
    )
    rank: int = Field(default=32, ge=1, description="Rank of the trained matrices.")
    alpha: float = Field(
        default=4,
        gt=0,
        description="Scale of what is learned: alpha / rank, or with rslora alpha / sqrt(rank).",
    )
    targets: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Ends of the names of linear and convolution layers of the network; by default "
        "the queries, keys and values of its self-attention.",
    )

    def on(self, backbone: Backbone) -> AdapterSettings:
        """The same settings, with the targets of a kind of model where none are given."""
        return self.model_copy(update={"targets": self.targets or backbone.targets})
