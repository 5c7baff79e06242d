"""A network as a sampler asks it: with a canvas's prompts and conditions, and with guidance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..backbones.backbone import Backbone
from .denoise import compose
from .guidance import Guidance

#: A prompt's arrays, [1, ...] by name.
Embedded = Mapping[str, Tensor]


class GuidedNetwork:
    """A function from the network's input and a timestep to its guided prediction, float32.

    `m` is the mask [1, 1, H, W], `conditions` are what the network is told besides the prompt,
    [1, ...] by name, and `prompts` the prompt's embeddings and the empty or negative one's, all on
    the network's device, and the prompts in its dtype.
    """

    def __init__(
        self,
        network: Any,
        backbone: Backbone,
        m: Tensor,
        conditions: Mapping[str, Tensor],
        prompts: tuple[Embedded, Embedded],
        guidance: Guidance,
    ) -> None:
        self._network, self._predict, self._m = network, backbone.predict, m
        self._guidance, self._conditions = guidance, conditions
        full, empty = prompts
        texts = [full if branch == "full" else empty for branch in guidance.branches]
        self._texts = {name: torch.cat([text[name] for text in texts]) for name in full}

    def __call__(self, seen: Tensor, t: Tensor) -> Tensor:
        """The prediction for canvases [B, C, H, W]."""
        predictions = self._ask(seen, t).chunk(len(self._guidance.branches))
        return self._guidance.combine(predictions, self._m)

    def _ask(self, seen: Tensor, t: Tensor) -> Tensor:
        """All branches in one batch, one after the other, [branches * B, C, H, W]."""
        blind = compose(self._m, seen, torch.zeros_like(seen))
        branches = self._guidance.branches
        inputs = torch.cat([blind if branch == "nothing" else seen for branch in branches])
        told = {
            name: one.expand(len(inputs), *one.shape[1:]) for name, one in self._conditions.items()
        }
        texts = {
            name: array.repeat_interleave(len(seen), dim=0) for name, array in self._texts.items()
        }
        dtype = self._network.dtype
        return self._predict(self._network, inputs.to(dtype), t, texts, told).float()
