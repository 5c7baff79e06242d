"""Small builders that the tests of scenes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from onepic.compiler.scenes.palette import Place
from onepic.compiler.scenes.render import Frame, render
from onepic.compiler.scenes.rows import SceneRow
from onepic.compiler.scenes.solids import Floats, Solid
from onepic.compiler.scenes.world import Light, Weather

OUTDOORS = Place("sand", "a blue sky")
INDOORS = Place("tiles", "a white wall")


@pytest.fixture(scope="session")
def rows() -> list[SceneRow]:
    """Thirty rows of one seed, 64 px a side; what was drawn of them once is kept."""
    return [SceneRow(0, number, (64, 64)) for number in range(30)]


@pytest.fixture
def draw() -> Callable[..., Frame]:
    """`draw(solids, ...)` draws bodies on sand, with a light from the right."""

    def frame(
        solids: Sequence[Solid] = (),
        place: Place = OUTDOORS,
        azimuth: float = 0.9,
        weather: Weather = "fair",
        size: tuple[int, int] = (64, 64),
        seed: int = 0,
    ) -> Frame:
        return render(solids, place, Light(azimuth, 0.8), weather, size, seed)

    return frame


@pytest.fixture
def rays_of() -> Callable[[tuple[int, int]], Floats]:
    """`rays_of((width, height))` are the rays [h, w, 3] of what a frame says of its pixels.

    They go through the upper left quarter of each pixel; the camera looks down by 0.15 radians.
    """

    def rays(size: tuple[int, int]) -> Floats:
        width, height = size
        x = (2 * (np.arange(width) + 0.25) - width) * 0.34 / min(size)
        y = (height - 2 * (np.arange(height) + 0.25)) * 0.34 / min(size)
        across, up = np.meshgrid(x, y)
        c, s = np.cos(0.15), np.sin(0.15)
        return np.stack([across, up * c - s, up * s + c], axis=-1).astype(np.float32)

    return rays
