"""The bodies that everything in a scene is built of, and where rays meet them.

World coordinates: x to the right, y up, z away from the camera; the ground is y = 0. One unit is
about the width of a large ball. Every body is a unit shape that is scaled, leant and turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .palette import Colour, Paint

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Vector = tuple[float, float, float]
Shape = Literal["sphere", "frustum", "box", "pyramid", "prism"]

_NEAREST = 1e-3
_SLOPE = 1 / np.sqrt(5.0)
#: half-spaces n . p <= d of the shapes with flat sides, within -1..1 each way
_BOX = [(1, 0, 0, 1), (-1, 0, 0, 1), (0, 1, 0, 1), (0, -1, 0, 1), (0, 0, 1, 1), (0, 0, -1, 1)]
_SIDES = [(2, 1, 0, 1), (-2, 1, 0, 1), (0, 1, 2, 1), (0, 1, -2, 1)]
_FLAT = {
    "box": np.array(_BOX, np.float32),
    "pyramid": np.array(
        [(0, -1, 0, 1), *[tuple(_SLOPE * value for value in side) for side in _SIDES]], np.float32
    ),
    "prism": np.array(
        [
            (0, -1, 0, 1),
            (0, 0, 1, 1),
            (0, 0, -1, 1),
            *[tuple(_SLOPE * value for value in side) for side in _SIDES[:2]],
        ],
        np.float32,
    ),
}


@dataclass(frozen=True)
class Solid:
    """A unit shape (-1..1 each way), scaled, leant about z, turned about y, and moved to `centre`.

    A frustum is round about y, with a radius of 1 at its foot and of `taper` at its top: 1 makes a
    cylinder, 0 a cone. `owner` is the number of the thing that the body belongs to, from 1.
    """

    shape: Shape
    centre: Vector
    scale: Vector
    owner: int
    paint: Paint | Colour
    turn: float = 0.0  # radians
    lean: float = 0.0  # radians
    taper: float = 1.0
    emblem: str | None = None

    @property
    def matrix(self) -> Floats:
        """The matrix [3, 3] from the unit shape to the world, less the move."""
        c, s = np.cos(self.lean), np.sin(self.lean)
        lean = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        c, s = np.cos(self.turn), np.sin(self.turn)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        matrix: Floats = (turn @ lean @ np.diag(self.scale)).astype(np.float32)
        return matrix

    @property
    def reach(self) -> float:
        """The radius of a ball about the centre that holds the body."""
        if self.shape == "sphere":
            return max(self.scale)
        across, up, ahead = self.scale
        wider = max(1.0, self.taper) if self.shape == "frustum" else 1.0
        return float(np.linalg.norm((wider * across, up, wider * ahead)))


@dataclass(frozen=True)
class Hits:
    """Where rays meet a body: `distance` [...] along each (inf where it misses it).

    `normal` [..., 3] is in the world and not of unit length; `point` [..., 3] is in the unit shape.
    """

    distance: Floats
    normal: Floats
    point: Floats


def meet(solid: Solid, origin: Floats, rays: Floats) -> Hits:
    """The nearest meeting of rays [..., 3] from an origin ([3], or one for each) with a body.

    Rays from inside a round body meet it where they leave it, those from inside one with flat
    sides do not meet it.
    """
    inverse = np.linalg.inv(solid.matrix)
    start = (origin - np.asarray(solid.centre, np.float32)) @ inverse.T
    along = rays @ inverse.T
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid.shape == "sphere":
            distance, normal = _meet_sphere(start, along)
        elif solid.shape == "frustum":
            distance, normal = _meet_frustum(start, along, solid.taper)
        else:
            distance, normal = _meet_flat(start, along, _FLAT[solid.shape])
    return Hits(distance, normal @ inverse, _reached(start, distance, along))


def blocks(solid: Solid, points: Floats, towards: Floats) -> Bools:
    """Whether the body lies between points [N, 3] and a light in the direction `towards` [3]."""
    offset = np.asarray(solid.centre, np.float32) - points
    ahead = offset @ towards
    aside = np.einsum("ij,ij->i", offset, offset) - ahead**2
    near = (aside < solid.reach**2) & (ahead > -solid.reach)
    blocked = np.zeros(len(points), bool)
    if near.any():
        rays = np.broadcast_to(towards, (int(near.sum()), 3))
        blocked[near] = np.isfinite(meet(solid, points[near], rays).distance)
    return blocked


def _meet_sphere(start: Floats, along: Floats) -> tuple[Floats, Floats]:
    a, b = _dot(along, along), _dot(start, along)
    root = np.sqrt(b * b - a * (_dot(start, start) - 1))
    distance = _first((-b - root) / a, (-b + root) / a)
    return distance, _reached(start, distance, along)


def _meet_frustum(start: Floats, along: Floats, taper: float) -> tuple[Floats, Floats]:
    slope = (taper - 1) / 2  # the radius at height y is middle + slope * y
    middle = (taper + 1) / 2
    radius, change = middle + slope * start[..., 1], slope * along[..., 1]
    flat = np.array([1, 0, 1], np.float32)
    a = _dot(along * flat, along) - change**2
    b = _dot(start * flat, along) - radius * change
    root = np.sqrt(b * b - a * (_dot(start * flat, start) - radius**2))
    sides = []
    for distance in ((-b - root) / a, (-b + root) / a):
        height = start[..., 1] + distance * along[..., 1]
        inside = (np.abs(height) <= 1) & (middle + slope * height >= 0)
        sides.append(np.where(inside & (distance > _NEAREST), distance, np.inf))
    side = np.minimum(*sides)
    ends = []
    for level, size in ((-1.0, 1.0), (1.0, taper)):
        distance = (level - start[..., 1]) / along[..., 1]
        point = _reached(start, distance, along)
        inside = point[..., 0] ** 2 + point[..., 2] ** 2 <= size**2
        ends.append(np.where(inside & (distance > _NEAREST), distance, np.inf))
    distance = np.minimum(side, np.minimum(*ends))
    point = _reached(start, distance, along)
    normal = point * flat
    normal[..., 1] = -slope * np.hypot(point[..., 0], point[..., 2])
    for end, up in zip(ends, (-1.0, 1.0), strict=True):
        normal[distance == end] = (0, up, 0)
    return distance.astype(np.float32), normal


def _meet_flat(start: Floats, along: Floats, sides: Floats) -> tuple[Floats, Floats]:
    gaps, speeds = sides[:, 3] - start @ sides[:, :3].T, along @ sides[:, :3].T
    distances = gaps / speeds
    # A ray along a side neither enters nor leaves by it, unless it runs outside.
    outwards = (speeds > 0) | ((speeds == 0) & (gaps >= 0))
    distances = np.where(speeds == 0, np.inf, distances)
    entering = np.where(outwards, -np.inf, distances)
    leaving = np.where(outwards, distances, np.inf).min(axis=-1)
    enter = entering.max(axis=-1)
    hit = (enter <= leaving) & (enter > _NEAREST)
    normal = sides[entering.argmax(axis=-1), :3]
    return np.where(hit, enter, np.inf).astype(np.float32), normal


def _reached(start: Floats, distance: Floats, along: Floats) -> Floats:
    """The points at a distance along rays; where it is not finite, where the ray starts."""
    steps = np.where(np.isfinite(distance), distance, 0).astype(np.float32)
    reached: Floats = start + steps[..., None] * along
    return reached


def _first(near: Floats, far: Floats) -> Floats:
    chosen = np.where(near > _NEAREST, near, far)
    return np.where(chosen > _NEAREST, chosen, np.inf).astype(np.float32)


def _dot(a: Floats, b: Floats) -> Floats:
    product: Floats = np.einsum("...i,...i->...", a, b)
    return product
