"""Some samples of a dataset, drawn by a seed, so that a large one is looked at as quickly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

#: Samples whose latents and masks are read at most, and their bytes.
MOST_SAMPLES = 1000
MOST_BYTES = 128_000_000


@dataclass(frozen=True)
class Selection:
    """Numbers of samples, in the order drawn: any first part of it is a selection as well.

    `of` is how many there are in all, `bytes` how much their latents and masks take.
    """

    numbers: NDArray[np.int64]
    of: int
    seed: int
    bytes: int


def draw_selection(
    samples: pa.Table,
    seed: int,
    most_samples: int = MOST_SAMPLES,
    most_bytes: int = MOST_BYTES,
) -> Selection:
    """Draw samples without repetition, within both bounds, but one of any that there are."""
    count = samples.num_rows
    numbers = np.random.default_rng(seed).permutation(count)[:most_samples]
    sizes = sum(samples[f"{name}_size"].to_numpy()[numbers] for name in ("latents", "mask"))
    read = np.cumsum(sizes)
    kept = max(1, int(np.searchsorted(read, most_bytes, side="right")))
    return Selection(numbers[:kept], count, seed, int(read[:kept][-1]) if count else 0)
