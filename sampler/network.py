"""The U-Net as a sampler asks it: with a canvas's prompts and sizes, and with guidance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .denoise import compose
from .guidance import Guidance

#: Hidden states [1, 77, D] and pooled embedding [1, P] of a prompt.
Embedded = tuple[Tensor, Tensor]


class GuidedNetwork:
    """A function from the network's input and a timestep to its guided prediction, float32.

    `m` is the mask [1, 1, H, W], `size` the canvas's (width, height) in px, `prompts` the prompt's
    embeddings and the empty or negative one's, on the network's device and in its dtype.
    """

    def __init__(
        self,
        unet: Any,
        m: Tensor,
        size: tuple[int, int],
        prompts: tuple[Embedded, Embedded],
        guidance: Guidance,
    ) -> None:
        self._unet, self._m, self._guidance = unet, m, guidance
        full, empty = prompts
        texts = [full if branch == "full" else empty for branch in guidance.branches]
        self._hidden, self._pooled = (torch.cat(parts) for parts in zip(*texts, strict=True))
        width, height = size
        sizes = [[height, width, 0, 0, height, width]]
        self._sizes = torch.tensor(sizes, dtype=torch.float32, device=m.device)

    def __call__(self, seen: Tensor, t: Tensor) -> Tensor:
        """The prediction for canvases [B, C, H, W]."""
        predictions = self._ask(seen, t).chunk(len(self._guidance.branches))
        return self._guidance.combine(predictions, self._m)

    def _ask(self, seen: Tensor, t: Tensor) -> Tensor:
        """All branches in one batch, one after the other, [branches * B, C, H, W]."""
        blind = compose(self._m, seen, torch.zeros_like(seen))
        branches = self._guidance.branches
        inputs = torch.cat([blind if branch == "nothing" else seen for branch in branches])
        sizes = {
            "text_embeds": self._pooled.repeat_interleave(len(seen), dim=0),
            "time_ids": self._sizes.expand(len(inputs), -1),
        }
        hidden = self._hidden.repeat_interleave(len(seen), dim=0)
        output: Tensor = self._unet(
            inputs.to(hidden.dtype), t, hidden, added_cond_kwargs=sizes, return_dict=False
        )[0]
        return output.float()
