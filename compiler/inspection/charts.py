"""Distributions as bars, in the coordinates of an SVG; the page's template draws them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .expectation import Expectation
from .statistics import Histogram

#: Of every chart, in px; the ticks' texts are below.
WIDTH, HEIGHT = 220, 84


@dataclass(frozen=True)
class Bar:
    """A bar in px of the chart, from its upper left corner, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Chart:
    """A distribution; `ticks` are places along its foot and their texts, `curve` an SVG path."""

    title: str
    note: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    curve: str = ""


def draw_chart(
    title: str,
    note: str,
    histogram: Histogram,
    name: Callable[[float], str],
    expected: Expectation | None = None,
) -> Chart:
    """A chart of a histogram.

    Args:
        title: what is counted.
        note: what more there is to say of it.
        histogram: of samples, or of other things.
        name: how an edge is written.
        expected: a normal distribution that is drawn over it.
    """
    curve = list(_normal(histogram, expected)) if expected else []
    highest = max([*histogram.counts, *curve, 1])
    return Chart(
        title=title,
        note=note,
        bars=tuple(_bars(histogram, highest, name)),
        ticks=_ticks(histogram, name),
        curve=_path(curve, highest),
    )


def _bars(histogram: Histogram, highest: float, name: Callable[[float], str]) -> Iterator[Bar]:
    step = WIDTH / len(histogram.counts)
    edges = pairwise(histogram.edges)
    for number, (count, (low, high)) in enumerate(zip(histogram.counts, edges, strict=True)):
        # What is rare is still seen.
        height = max(HEIGHT * count / highest, 1.5) if count else 0.0
        yield Bar(
            x=round(number * step, 2),
            y=round(HEIGHT - height, 2),
            width=round(max(step - 1, step / 2), 2),
            height=round(height, 2),
            title=f"{name(low)} to {name(high)}: {count:,}",
        )


def _ticks(histogram: Histogram, name: Callable[[float], str]) -> tuple[tuple[float, str], ...]:
    edges = histogram.edges
    middle = (len(edges) - 1) // 2
    places = sorted({0, middle, len(edges) - 1})
    return tuple(
        (round(WIDTH * place / (len(edges) - 1), 2), name(edges[place])) for place in places
    )


def _normal(histogram: Histogram, expected: Expectation) -> Iterator[float]:
    """How many of the counted values each bin would have, were they as expected."""
    total, deviation = sum(histogram.counts), expected.deviation * math.sqrt(2)
    below = [math.erf((edge - expected.mean) / deviation) / 2 for edge in histogram.edges]
    for low, high in pairwise(below):
        yield total * (high - low)


def _path(curve: list[float], highest: float) -> str:
    step = WIDTH / max(1, len(curve))
    points = (
        f"{(number + 0.5) * step:.2f} {HEIGHT * (1 - value / highest):.2f}"
        for number, value in enumerate(curve)
    )
    return "M" + " L".join(points) if curve else ""
