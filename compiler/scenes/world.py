"""Scenes: things at places, in a light; all of it chosen from a seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .palette import COLOURS, INDOORS, OUTDOORS, PATTERNS, Paint, Place

Kind = Literal["ball", "cube", "cone", "cylinder", "pyramid", "tree", "house", "mushroom"]
Weather = Literal["fair", "dusk", "rain"]
Size = Literal["small", "large"]

KINDS: tuple[Kind, ...] = (
    "ball", "cube", "cone", "cylinder", "pyramid", "tree", "house", "mushroom",
)  # fmt: skip
#: half the height of a thing
HALF_HEIGHT: dict[Size, float] = {"small": 0.5, "large": 0.82}


@dataclass(frozen=True)
class Thing:
    """One object on the ground at (x, z); its kind is unique in its scene."""

    kind: Kind
    paint: Paint
    size: Size
    x: float
    z: float
    turn: float  # radians

    def __str__(self) -> str:
        return f"{self.size} {self.paint} {self.kind}"


@dataclass(frozen=True)
class Light:
    """Where the sun or the lamp stands, radians: to the right of the camera, above the ground."""

    azimuth: float
    elevation: float


@dataclass(frozen=True)
class Scene:
    """Things from left to right, where they are and how it is lit."""

    things: tuple[Thing, ...]
    place: Place
    light: Light
    weather: Weather = "fair"

    def with_thing(self, number: int, thing: Thing) -> Scene:
        """Replace one thing of the scene by another."""
        things = (*self.things[:number], thing, *self.things[number + 1 :])
        return replace(self, things=things)


def make_scene(rng: np.random.Generator) -> Scene:
    """A scene of one to three things."""
    count = int(rng.choice([1, 2, 3], p=[0.3, 0.45, 0.25]))
    kinds = rng.permutation(len(KINDS))[:count]
    things = tuple(
        make_thing(rng, KINDS[kind], x) for kind, x in zip(kinds, _stands(rng, count), strict=True)
    )
    return Scene(things, make_place(rng), make_light(rng))


def make_thing(rng: np.random.Generator, kind: Kind, x: float) -> Thing:
    """A thing of a kind at x, in a random paint, size, depth and turn."""
    return Thing(
        kind=kind,
        paint=make_paint(rng),
        size="large" if rng.random() < 0.6 else "small",
        x=float(x),
        z=float(rng.uniform(-0.7, 0.7)),
        turn=float(rng.uniform(-0.7, 0.7)),
    )


def make_paint(rng: np.random.Generator) -> Paint:
    """A colour, and more often than not no pattern."""
    colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
    return Paint(colour, PATTERNS[int(rng.choice(4, p=[0.52, 0.16, 0.16, 0.16]))])


def make_place(rng: np.random.Generator) -> Place:
    """A place outdoors or indoors."""
    grounds, backdrops = OUTDOORS if rng.random() < 0.5 else INDOORS
    return Place(
        grounds[int(rng.integers(len(grounds)))], backdrops[int(rng.integers(len(backdrops)))]
    )


def make_light(rng: np.random.Generator) -> Light:
    """A light from the left or the right, above."""
    return Light(float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.3)), float(rng.uniform(0.6, 1.0)))


def _stands(rng: np.random.Generator, count: int) -> list[float]:
    middles = {1: [0.0], 2: [-0.85, 0.85], 3: [-1.3, 0.0, 1.3]}[count]
    reach = {1: 1.0, 2: 0.3, 3: 0.15}[count]
    return [middle + float(rng.uniform(-reach, reach)) for middle in middles]
