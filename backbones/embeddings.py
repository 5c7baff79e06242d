"""Prompts as the U-Net takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Embeddings:
    """N prompts, encoded; for SDXL tokens = 77, D = 2048 and P = 1280.

    `hidden` is float16 [N, tokens, D], `pooled` float16 [N, P]; `cut` says for each prompt whether
    it was longer than the text encoders take.
    """

    hidden: NDArray[np.float16]
    pooled: NDArray[np.float16]
    cut: list[bool]
