"""Guidance: how far a picture goes beyond what the network says without prompt and context.

An option of guidance is a field of `Guidance` with what it does, and a keyword of the pipeline. The
command's options, its help and what a picture says of itself are made from the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, FiniteFloat

from ..common.strict import Strict

if TYPE_CHECKING:
    from torch import Tensor


class Guidance(Strict):
    """The strengths of guidance; a scale of 1 goes nowhere and costs nothing."""

    guidance_scale: FiniteFloat = Field(
        default=5.0, description="Strength of guidance towards the prompt; 1 is none."
    )
    image_guidance_scale: FiniteFloat = Field(
        default=1.0, description="Strength of guidance towards the context; 1 is none."
    )
    guidance_rescale: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Strength of what keeps guidance from burning out colours, 0 to 1.",
    )

    @property
    def branches(self) -> tuple[str, ...]:
        """The predictions that are asked for, from the least to the best informed one."""
        if self.image_guidance_scale != 1:
            return ("nothing", "context", "full")
        return ("full",) if self.guidance_scale == 1 else ("context", "full")

    def combine(self, predictions: Sequence[Tensor], m: Tensor) -> Tensor:
        """The guided prediction [B, C, H, W] from one for each of the branches; `m` is the mask."""
        if len(predictions) == 1:
            return predictions[0]
        scales = (self.image_guidance_scale, self.guidance_scale)[-(len(predictions) - 1) :]
        guided = guide(predictions, scales)
        if self.guidance_rescale:
            return rescale_guidance(guided, predictions[-1], m, self.guidance_rescale)
        return guided


def guide(predictions: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Classifier-free guidance from the least to the best informed prediction.

    With two, e_0 + s (e_1 - e_0). With three each scale takes the next piece of information, as
    in InstructPix2Pix (Brooks et al. 2023, equation 3): nothing, then the context, then the prompt.
    """
    guided = predictions[0]
    for before, after, scale in zip(predictions, predictions[1:], scales, strict=False):
        guided = guided + scale * (after - before)
    return guided


def rescale_guidance(guided: Tensor, informed: Tensor, m: Tensor, share: float) -> Tensor:
    """Bring the deviation inside m part of the way back to the informed prediction's.

    Lin et al. 2024, section 3.4; `share` is their phi. The context is no prediction of anything,
    so that it has no say.
    """
    rescaled = guided * (_deviation(informed, m) / _deviation(guided, m))
    return share * rescaled + (1 - share) * guided


def _deviation(values: Tensor, m: Tensor) -> Tensor:
    """The standard deviation of each sample inside m, [B, 1, 1, 1]."""
    inside = m.to(values.dtype).expand_as(values)
    count = inside.sum(dim=(1, 2, 3), keepdim=True)
    mean = (values * inside).sum(dim=(1, 2, 3), keepdim=True) / count
    squared = ((values - mean) * inside).square().sum(dim=(1, 2, 3), keepdim=True)
    return (squared / count).sqrt()
