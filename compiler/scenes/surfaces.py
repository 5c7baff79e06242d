"""The colour of every point of a scene: painted patterns, grounds, walls and skies."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .palette import WALLS, Colour, Paint
from .solids import Bools, Floats, Solid

_TILE = 256


def paint_colours(paint: Paint | Colour, points: Floats) -> Floats:
    """Colours [N, 3] in 0..1 at points [N, 3] of a unit shape (-1..1 each way)."""
    if not isinstance(paint, Paint):
        return np.broadcast_to(np.asarray(paint, np.float32), points.shape)
    is_second = _PATTERNS[paint.pattern](points)
    return np.where(
        is_second[:, None],
        np.asarray(paint.second, np.float32),
        np.asarray(paint.first, np.float32),
    )


def body_colours(body: Solid, points: Floats) -> Floats:
    """Colours [N, 3] in 0..1 of a body, with its emblem, at points [N, 3] of its unit shape."""
    colours = paint_colours(body.paint, points)
    if body.emblem is None or not isinstance(body.paint, Paint):
        return colours
    marked = emblem_at(body.emblem, points[:, 0], points[:, 1]) & (points[:, 2] < 0)
    return np.where(marked[:, None], np.asarray(body.paint.second, np.float32), colours)


def _plain(points: Floats) -> Bools:
    return np.zeros(len(points), bool)


def _striped(points: Floats) -> Bools:
    striped: Bools = np.sin(points[:, 1] * 9 + 0.8) > 0.25
    return striped


def _spotted(points: Floats) -> Bools:
    rows = points * 2.2
    rows = rows + 0.5 * (np.floor(rows[:, 1:2]) % 2) * np.asarray([1, 0, 1], np.float32)
    away = rows - np.floor(rows) - 0.5
    spotted: Bools = np.linalg.norm(away, axis=1) < 0.4
    return spotted


def _checked(points: Floats) -> Bools:
    cells = np.floor(points * 2.4 + 0.02)
    checked: Bools = cells.sum(axis=1) % 2 == 1
    return checked


_PATTERNS = {"plain": _plain, "striped": _striped, "spotted": _spotted, "checked": _checked}


def emblem_at(emblem: str, across: Floats, up: Floats) -> Bools:
    """Whether points, -1..1 each way on a chest, belong to the emblem on it: bool, their shape."""
    return _EMBLEMS[emblem](across, up - 0.25)


def _disc(x: Floats, y: Floats) -> Bools:
    disc: Bools = np.hypot(x, y) < 0.38
    return disc


def _square(x: Floats, y: Floats) -> Bools:
    square: Bools = np.maximum(np.abs(x), np.abs(y)) < 0.32
    return square


def _heart(x: Floats, y: Floats) -> Bools:
    lobes = np.hypot(np.abs(x) - 0.17, y - 0.12) < 0.21
    heart: Bools = lobes | ((np.abs(x) < 0.36 + y * 0.95) & (y < 0.06))
    return heart


def _star(x: Floats, y: Floats) -> Bools:
    angle, radius = np.arctan2(x, y), np.hypot(x, y)
    ray = np.abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    star: Bools = radius * (np.cos(ray) + 2 * np.sin(ray)) < 0.46
    return star


_EMBLEMS = {"disc": _disc, "square": _square, "heart": _heart, "star": _star}


def ground_colours(ground: str, x: Floats, z: Floats) -> Floats:
    """Colours [N, 3] of the ground at world coordinates [N]."""
    fine, coarse = _noise(x * 40, z * 40), _noise(x * 6, z * 6)
    if ground == "grass":
        return _tinted((0.30, 0.50, 0.20), 0.65 + 0.45 * fine + 0.25 * coarse)
    if ground == "sand":
        return _tinted((0.86, 0.74, 0.52), 0.86 + 0.12 * fine + 0.14 * coarse)
    if ground == "snow":
        return _tinted((0.93, 0.95, 0.98), 0.93 + 0.04 * fine + 0.06 * coarse)
    if ground == "tiles":
        odd = (np.floor(x / 0.8) + np.floor(z / 0.8)) % 2
        return _tinted((0.80, 0.80, 0.82), 0.55 + 0.45 * odd + 0.04 * fine)
    if ground == "a grey carpet":
        return _tinted((0.50, 0.50, 0.54), 0.85 + 0.25 * fine)
    plank = np.floor(x / 0.45)  # a wooden floor
    grain = _noise(x * 60, z * 3 + plank * 17)
    gap = (x / 0.45 - plank < 0.05) * 0.3
    return _tinted(
        (0.62, 0.42, 0.24), 0.78 + 0.3 * _noise(plank * 31, plank * 7) + 0.2 * grain - gap
    )


def wall_colours(wall: str, x: Floats, y: Floats) -> Floats:
    """Colours [N, 3] of the wall at world coordinates [N]."""
    shade = 0.94 + 0.08 * _noise(x * 5, y * 5)
    if wall != "a brick wall":
        return _tinted(WALLS[wall], shade)
    row = np.floor(y / 0.28)
    column = x / 0.62 + 0.5 * (row % 2)
    mortar = (y / 0.28 - row < 0.14) | (column - np.floor(column) < 0.07)
    brick = _tinted(WALLS[wall], 0.75 + 0.45 * _noise(np.floor(column) * 13, row * 29))
    return np.where(mortar[:, None], np.asarray((0.74, 0.72, 0.68), np.float32), brick)


def sky_colours(sky: str, rays: Floats) -> Floats:
    """Colours [N, 3] of the sky in the directions [N, 3]."""
    height = np.clip(rays[:, 1] / np.abs(rays[:, 2]) * 2.2, 0, 1)[:, None]
    if sky == "a cloudy sky":
        cloud = _noise(rays[:, 0] * 34 + 50, rays[:, 1] * 80) * 0.6
        cloud = cloud + _noise(rays[:, 0] * 90, rays[:, 1] * 190) * 0.3
        return _tinted((0.74, 0.77, 0.82), 0.72 + 0.4 * cloud)
    low, high = np.asarray([(0.74, 0.87, 0.97), (0.26, 0.54, 0.90)], np.float32)
    blue: Floats = low + (high - low) * height
    return blue


def _tinted(colour: Colour, shade: Floats) -> Floats:
    tinted: Floats = np.asarray(colour, np.float32) * shade.astype(np.float32)[:, None]
    return tinted


@cache
def _noise_tile() -> Floats:
    rng = np.random.default_rng(7)
    tile = np.zeros((_TILE, _TILE), np.float32)
    for cells, weight in ((64, 0.5), (256, 0.5)):
        grid = rng.random((cells, cells), dtype=np.float32)
        tile += weight * np.kron(grid, np.ones((_TILE // cells,) * 2, np.float32))
    return tile


def _noise(u: Floats, v: Floats) -> Floats:
    """Noise in 0..1 that is constant on cells of one unit."""
    return _noise_tile()[_cell(v), _cell(u)]


def _cell(coordinate: Floats) -> NDArray[np.int64]:
    cell: NDArray[np.int64] = np.floor(coordinate).astype(np.int64) % _TILE
    return cell
