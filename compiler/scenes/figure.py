"""A person in a garment, the garment alone, and the garment laid flat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .palette import COLOURS, Colour, Paint, Place
from .solids import Floats, Solid
from .surfaces import emblem_at, paint_colours
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
_SHOULDER, _HIP, _ARM = 2.1, 0.85, 1.2  # heights, and the length of an arm


@dataclass(frozen=True)
class Garment:
    """What a person wears above; an emblem is on plain ones only."""

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
        arms=(float(rng.uniform(0.15, 1.1)), float(rng.uniform(0.15, 1.1))),
        x=float(rng.uniform(-0.25, 0.25)),
        place=make_place(rng),
        light=make_light(rng),
    )


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
        bodies.append(_along_arm(figure.skin, side, angle, 0.0, 1.0, 0.14, SKIN))
    return [_moved(body, figure.x) for body in bodies]


def garment_bodies(garment: Garment, arms: tuple[float, float]) -> list[Solid]:
    """The garment on a body at x = 0, its sleeves along arms at these angles."""
    middle, half = (_SHOULDER + _HIP) / 2, (_SHOULDER - _HIP) / 2
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
            bodies.append(_along_arm(garment.paint, side, angle, 0.0, length, 0.2, GARMENT))
    return bodies


def lay_flat(garment: Garment, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The garment alone on white paper, [height, width, 3]; `size` is (width, height) in px."""
    width, height = size[0] * 2, size[1] * 2
    low = 0.3 if garment.cut == "dress" else 0.7
    unit = max((_SHOULDER - low + 0.3) / height, 3.4 / width)
    x = ((np.arange(width) + 0.5 - width / 2) * unit).astype(np.float32)
    y = ((_SHOULDER + low) / 2 - (np.arange(height) + 0.5 - height / 2) * unit).astype(np.float32)
    points = np.stack([*np.meshgrid(x, y), np.zeros((height, width), np.float32)], axis=-1)
    picture = np.full((height, width, 3), 0.95, np.float32)
    for body in reversed(garment_bodies(garment, (0.95, 0.95))):
        _print_flat(picture, body, points)
    small: Floats = picture.reshape(size[1], 2, size[0], 2, 3).mean(axis=(1, 3))
    return (small * 255).round().astype(np.uint8)


def _print_flat(picture: Floats, body: Solid, points: Floats) -> None:
    inside_body = (points - np.asarray(body.centre, np.float32)) @ np.linalg.inv(body.matrix).T
    across, up = inside_body[..., 0], inside_body[..., 1]
    radius = (body.taper + 1) / 2 + (body.taper - 1) / 2 * up
    covered = (np.abs(up) <= 1) & (np.abs(across) <= radius)
    on_front = inside_body[covered]
    on_front[:, 2] = -np.sqrt(np.clip(radius[covered] ** 2 - across[covered] ** 2, 0, None))
    colours = paint_colours(body.paint, on_front)
    if body.emblem is not None and isinstance(body.paint, Paint):
        marked = emblem_at(body.emblem, on_front[:, 0], on_front[:, 1])
        colours = np.where(marked[:, None], np.asarray(body.paint.second, np.float32), colours)
    shade = 1 - 0.18 * (np.abs(across[covered]) / radius[covered]) ** 4
    picture[covered] = colours * shade[:, None]


def _legs(figure: Figure) -> list[Solid]:
    legs: list[Solid] = []
    bare = figure.garment.cut == "dress"
    paint, owner = (figure.skin, SKIN) if bare else (COLOURS[figure.trousers], TROUSERS)
    for side in (1, -1):
        legs.append(
            Solid("frustum", (side * 0.25, 0.46, 0), (0.2, 0.42, 0.2), owner, paint, taper=1.15)
        )
        legs.append(Solid("sphere", (side * 0.26, 0.08, -0.08), (0.18, 0.1, 0.26), SKIN, _EYES))
    return legs


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


def _along_arm(
    paint: Paint | Colour,
    side: int,
    angle: float,
    start: float,
    end: float,
    radius: float,
    owner: int,
) -> Solid:
    """A part of an arm, from `start` to `end` of its length."""
    middle, half = (start + end) / 2 * _ARM, (end - start) / 2 * _ARM
    shoulder = (side * 0.6, _SHOULDER - 0.14)
    centre = (shoulder[0] + side * np.sin(angle) * middle, shoulder[1] - np.cos(angle) * middle)
    return Solid(
        "frustum",
        (*centre, 0.0),
        (radius * 0.85, half, radius * 0.85),
        owner,
        paint,
        lean=side * angle,
        taper=1.15,
    )


def _moved(body: Solid, x: float) -> Solid:
    return replace(body, centre=(body.centre[0] + x, *body.centre[1:]))
