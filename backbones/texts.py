"""Prompts as a network takes them: arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: An array of N prompts: numbers in half precision, or whole ones such as lengths.
TextArray = NDArray[np.float16] | NDArray[np.int32]


@dataclass(frozen=True)
class Embeddings:
    """N prompts, encoded.

    `arrays` are [N, ...] by name; all prompts of a dataset have the same names, dtypes and shapes,
    so that what varies in length is padded, with its length as an array of its own. `cut` says for
    each prompt whether it was longer than the text encoders take.
    """

    arrays: dict[str, TextArray]
    cut: list[bool]

    def zeros(self) -> Embeddings:
        """As many prompts of nothing but zeros."""
        return Embeddings({name: np.zeros_like(a) for name, a in self.arrays.items()}, self.cut)


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Embeddings of some prompts, then of others."""
    names = parts[0].arrays
    return Embeddings(
        {name: np.concatenate([part.arrays[name] for part in parts]) for name in names},
        [cut for part in parts for cut in part.cut],
    )


def in_dtype(texts: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Arrays of prompts with their fractions in `dtype`; whole numbers stay as they are."""
    return {
        name: array.to(dtype) if array.is_floating_point() else array
        for name, array in texts.items()
    }
