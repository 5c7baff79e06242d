"""Latents and masks of samples in figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Latents are counted between these bounds; what lies beyond them counts as at them.
REACH = 5.0
_BINS = 40
_MOST_BINS = 24


@dataclass(frozen=True)
class Histogram:
    """`counts` of values between neighbours of `edges`, which are one more."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Channel:
    """A channel of latents: its finite values in figures, None where there are none."""

    mean: float | None
    deviation: float | None
    least: float | None
    greatest: float | None
    histogram: Histogram


class LatentTally:
    """Adds up latents, sample by sample; only finite values count."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._count, self._sum, self._squares = np.zeros((3, channels))
        self._least, self._greatest = np.full(channels, np.inf), np.full(channels, -np.inf)
        self._bins = np.zeros((channels, _BINS), np.int64)

    def add(self, latents: NDArray[np.float16]) -> bool:
        """Add a sample's latents, [C, H, W]; whether all of them are finite."""
        values = latents.reshape(self.channels, -1).astype(np.float32)
        is_finite = np.isfinite(values)
        for channel in range(self.channels):
            self._add_channel(channel, values[channel][is_finite[channel]])
        return bool(is_finite.all())

    def _add_channel(self, channel: int, values: NDArray[np.float32]) -> None:
        if not values.size:
            return
        self._count[channel] += values.size
        self._sum[channel] += values.sum(dtype=np.float64)
        self._squares[channel] += np.square(values, dtype=np.float64).sum()
        self._least[channel] = min(self._least[channel], values.min())
        self._greatest[channel] = max(self._greatest[channel], values.max())
        places = ((values + REACH) * (_BINS / (2 * REACH))).clip(0, _BINS - 1).astype(np.int64)
        self._bins[channel] += np.bincount(places, minlength=_BINS)

    def channel(self, number: int) -> Channel:
        """A channel in figures."""
        edges = tuple(np.linspace(-REACH, REACH, _BINS + 1).tolist())
        histogram = Histogram(edges, tuple(self._bins[number].tolist()))
        count = self._count[number]
        if not count:
            return Channel(None, None, None, None, histogram)
        mean = self._sum[number] / count
        deviation = math.sqrt(max(0.0, self._squares[number] / count - mean**2))
        bounds = float(self._least[number]), float(self._greatest[number])
        return Channel(float(mean), deviation, *bounds, histogram)


@dataclass(frozen=True)
class Spread:
    """Some numbers by their least, middle and greatest, their mean, and how they are spread."""

    least: float
    median: float
    greatest: float
    mean: float
    histogram: Histogram


def spread_of(
    values: NDArray[Any] | Sequence[float], edges: NDArray[Any] | None = None
) -> Spread | None:
    """A `Spread` of numbers; None of none. Without `edges` they are whole numbers."""
    array = np.asarray(values)
    if not array.size:
        return None
    low, high = array.min().item(), array.max().item()
    counts, edges = np.histogram(array, _whole_edges(low, high) if edges is None else edges)
    return Spread(
        least=low,
        median=float(np.median(array)),
        greatest=high,
        mean=float(array.mean()),
        histogram=Histogram(tuple(edges.tolist()), tuple(counts.tolist())),
    )


def _whole_edges(low: int, high: int) -> NDArray[np.float64]:
    """Edges of bins that hold equally many whole numbers each."""
    step = max(1, math.ceil((high - low + 1) / _MOST_BINS))
    count = math.ceil((high - low + 1) / step)
    return np.asarray(low + step * np.arange(count + 1), np.float64)
