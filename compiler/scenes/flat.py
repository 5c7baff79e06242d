"""Clothes laid flat on white paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .figure import HIP, SHOULDER, TROUSERS, Garment, garment_bodies, leg_bodies
from .palette import COLOURS
from .solids import Floats, Solid
from .surfaces import body_colours

Size = tuple[int, int]  # width and height in px


def lay_flat(garment: Garment, size: Size) -> NDArray[np.uint8]:
    """The garment alone on white paper, [height, width, 3]."""
    low = 0.3 if garment.cut == "dress" else 0.7
    unit = max((SHOULDER - low + 0.3) / (size[1] * 2), 3.4 / (size[0] * 2))
    return _lay(garment_bodies(garment, (0.95, 0.95)), (SHOULDER + low) / 2, unit, size)


def lay_trousers_flat(colour: str, size: Size) -> NDArray[np.uint8]:
    """Trousers of a colour of `COLOURS` alone on white paper, [height, width, 3]."""
    paint = COLOURS[colour]
    waist = Solid("frustum", (0, HIP, 0), (0.47, 0.12, 0.2), TROUSERS, paint, taper=0.95)
    unit = 1.3 / (min(size) * 2)
    return _lay([waist, *leg_bodies(paint, TROUSERS)], HIP / 2 + 0.08, unit, size)


def _lay(bodies: Sequence[Solid], middle: float, unit: float, size: Size) -> NDArray[np.uint8]:
    """Bodies seen from the front, the height `middle` in the middle; half a px is `unit`."""
    width, height = size[0] * 2, size[1] * 2
    x = ((np.arange(width) + 0.5 - width / 2) * unit).astype(np.float32)
    y = (middle - (np.arange(height) + 0.5 - height / 2) * unit).astype(np.float32)
    points = np.stack([*np.meshgrid(x, y), np.zeros((height, width), np.float32)], axis=-1)
    picture = np.full((height, width, 3), 0.95, np.float32)
    for body in reversed(bodies):
        _print(picture, body, points)
    small: Floats = picture.reshape(size[1], 2, size[0], 2, 3).mean(axis=(1, 3))
    return (small * 255).round().astype(np.uint8)


def _print(picture: Floats, body: Solid, points: Floats) -> None:
    inside_body = (points - np.asarray(body.centre, np.float32)) @ np.linalg.inv(body.matrix).T
    across, up = inside_body[..., 0], inside_body[..., 1]
    radius = (body.taper + 1) / 2 + (body.taper - 1) / 2 * up
    covered = (np.abs(up) <= 1) & (np.abs(across) <= radius)
    on_front = inside_body[covered]
    on_front[:, 2] = -np.sqrt(np.clip(radius[covered] ** 2 - across[covered] ** 2, 0, None))
    shade = 1 - 0.18 * (np.abs(across[covered]) / radius[covered]) ** 4
    picture[covered] = body_colours(body, on_front) * shade[:, None]
