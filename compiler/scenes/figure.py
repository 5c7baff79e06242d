"""A person in a garment, and the garment alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .palette import COLOURS, Colour, Paint, Place
from .solids import Solid, Vector
from .world import Light, make_light, make_paint, make_place

Cut = Literal["shirt", "sweater", "vest", "dress"]
CUTS: tuple[Cut, ...] = ("shirt", "sweater", "vest", "dress")
EMBLEMS = ("disc", "square", "heart", "star")
#: the owners of a figure's bodies in a frame
SKIN, GARMENT, HAIR, TROUSERS = 1, 2, 3, 4

HAIRS: dict[str, Colour] = {
    "black": (0.10, 0.08, 0.08),
    "brown": (0.34, 0.20, 0.11),
    "blond": (0.86, 0.70, 0.36),
    "red": (0.66, 0.27, 0.10),
    "grey": (0.62, 0.62, 0.62),
}
_SKINS: tuple[Colour, ...] = ((0.93, 0.74, 0.62), (0.80, 0.58, 0.43), (0.55, 0.36, 0.25))
_EYES: Colour = (0.10, 0.08, 0.08)
_SLEEVES: dict[Cut, float] = {"shirt": 0.42, "sweater": 0.95, "vest": 0.0, "dress": 0.3}
SHOULDER, HIP, _ARM = 2.1, 0.85, 1.2  # heights, and the length of an arm


@dataclass(frozen=True)
class Garment:
    """A garment on the upper body; an emblem is on plain ones only."""

    cut: Cut
    paint: Paint
    emblem: str | None = None

    def __str__(self) -> str:
        if self.emblem is None:
            return f"{self.paint} {self.cut}"
        contrast = "black" if self.paint.second == COLOURS["black"] else "white"
        return f"{self.paint} {self.cut} with a {contrast} {self.emblem}"


@dataclass(frozen=True)
class Figure:
    """A person who stands somewhere; `arms` are their angles from hanging, right and left."""

    garment: Garment
    hair: str
    skin: Colour
    trousers: str
    arms: tuple[float, float]  # radians
    x: float
    place: Place
    light: Light


def make_figure(rng: np.random.Generator) -> Figure:
    """A person in a garment of random cut, paint and emblem."""
    return Figure(
        garment=make_garment(rng),
        hair=list(HAIRS)[int(rng.integers(len(HAIRS)))],
        skin=_SKINS[int(rng.integers(len(_SKINS)))],
        trousers=("blue", "black", "brown", "white", "green")[int(rng.integers(5))],
        arms=make_arms(rng),
        x=float(rng.uniform(-0.25, 0.25)),
        place=make_place(rng),
        light=make_light(rng),
    )


def make_arms(rng: np.random.Generator) -> tuple[float, float]:
    """How far both arms are from hanging, radians."""
    return float(rng.uniform(0.15, 1.1)), float(rng.uniform(0.15, 1.1))


def make_garment(rng: np.random.Generator) -> Garment:
    """A garment; half of the plain ones have an emblem."""
    paint = make_paint(rng)
    marked = paint.pattern == "plain" and rng.random() < 0.5
    emblem = EMBLEMS[int(rng.integers(len(EMBLEMS)))]
    return Garment(CUTS[int(rng.integers(len(CUTS)))], paint, emblem if marked else None)


def build_figure(figure: Figure) -> list[Solid]:
    """The bodies of a person and what they wear."""
    bodies = [*_legs(figure), *_head(figure), *garment_bodies(figure.garment, figure.arms)]
    for side, angle in zip((1, -1), figure.arms, strict=True):
        bodies.append(_arm(figure.skin, side, angle, 1.0, 0.14, SKIN))
    return [moved(body, (figure.x, 0.0, 0.0)) for body in bodies]


def in_trousers(figure: Figure) -> Figure:
    """Dress the person in a sweater in place of a dress."""
    if figure.garment.cut != "dress":
        return figure
    return replace(figure, garment=replace(figure.garment, cut="sweater"))


def garment_bodies(garment: Garment, arms: tuple[float, float]) -> list[Solid]:
    """The garment on a body at x = 0, its sleeves along arms at these angles."""
    middle, half = (SHOULDER + HIP) / 2, (SHOULDER - HIP) / 2
    bodies = [
        Solid(
            "frustum",
            (0, middle, 0),
            (0.5, half, 0.34),
            GARMENT,
            garment.paint,
            taper=1.3,
            emblem=garment.emblem,
        )
    ]
    if garment.cut == "dress":
        bodies.append(
            Solid("frustum", (0, 0.68, 0), (0.8, 0.36, 0.52), GARMENT, garment.paint, taper=0.64)
        )
    if (length := _SLEEVES[garment.cut]) > 0:
        for side, angle in zip((1, -1), arms, strict=True):
            bodies.append(_arm(garment.paint, side, angle, length, 0.2, GARMENT))
    return bodies


def leg_bodies(paint: Paint | Colour, owner: int) -> list[Solid]:
    """Two legs, from the ankles to the hip, or what is worn on them."""
    return [
        Solid("frustum", (side * 0.25, 0.46, 0), (0.2, 0.42, 0.2), owner, paint, taper=1.15)
        for side in (1, -1)
    ]


def _legs(figure: Figure) -> list[Solid]:
    bare = figure.garment.cut == "dress"
    legs = leg_bodies(figure.skin, SKIN) if bare else leg_bodies(COLOURS[figure.trousers], TROUSERS)
    shoes = [
        Solid("sphere", (side * 0.26, 0.08, -0.08), (0.18, 0.1, 0.26), SKIN, _EYES)
        for side in (1, -1)
    ]
    return [*legs, *shoes]


def _head(figure: Figure) -> list[Solid]:
    hair = HAIRS[figure.hair]
    eyes = [
        Solid("sphere", (side * 0.13, 2.54, -0.32), (0.05, 0.06, 0.04), SKIN, _EYES)
        for side in (1, -1)
    ]
    return [
        Solid("frustum", (0, 2.15, 0), (0.14, 0.14, 0.14), SKIN, figure.skin),
        Solid("sphere", (0, 2.5, 0), (0.34, 0.36, 0.34), SKIN, figure.skin),
        Solid("sphere", (0, 2.62, 0.12), (0.39, 0.36, 0.36), HAIR, hair),
        *eyes,
    ]


def _arm(
    paint: Paint | Colour, side: int, angle: float, share: float, radius: float, owner: int
) -> Solid:
    """An arm from the shoulder to a share of its length, or the sleeve on it."""
    return Solid(
        "frustum",
        (*along_arm(side, angle, share / 2), 0.0),
        (radius * 0.85, share / 2 * _ARM, radius * 0.85),
        owner,
        paint,
        lean=side * angle,
        taper=1.15,
    )


def along_arm(side: int, angle: float, share: float) -> tuple[float, float]:
    """Where an arm of a person at x = 0 is, x and y, at a share of its length from the shoulder."""
    away = share * _ARM
    return side * 0.6 + side * np.sin(angle) * away, SHOULDER - 0.14 - np.cos(angle) * away


def moved(body: Solid, by: Vector) -> Solid:
    """The body in another place."""
    x, y, z = (at + step for at, step in zip(body.centre, by, strict=True))
    return replace(body, centre=(x, y, z))
