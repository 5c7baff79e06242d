"""The bodies of which each kind of thing is built."""

from __future__ import annotations

import numpy as np

from .palette import Colour, Paint
from .solids import Shape, Solid, Vector
from .world import HALF_HEIGHT, Thing

_TRUNK = (0.36, 0.22, 0.12)
_STALK = (0.90, 0.86, 0.76)
_ROOF = (0.42, 0.20, 0.16)
_DOOR = (0.24, 0.15, 0.10)


def build_thing(thing: Thing, owner: int) -> list[Solid]:
    """The bodies of a thing, standing on the ground."""
    half = HALF_HEIGHT[thing.size]

    def body(
        shape: Shape, middle: float, scale: Vector, paint: Paint | Colour | None = None,
        taper: float = 1.0, aside: tuple[float, float] = (0.0, 0.0),
    ) -> Solid:  # fmt: skip
        """A body whose middle is so many halves above the ground; all numbers in halves."""
        c, s = np.cos(thing.turn), np.sin(thing.turn)
        x, z = aside[0] * c + aside[1] * s, -aside[0] * s + aside[1] * c
        return Solid(
            shape=shape,
            centre=(thing.x + half * x, half * middle, thing.z + half * z),
            scale=(half * scale[0], half * scale[1], half * scale[2]),
            owner=owner,
            paint=paint or thing.paint,
            turn=thing.turn,
            taper=taper,
        )

    match thing.kind:
        case "ball":
            return [body("sphere", 1, (1, 1, 1))]
        case "cube":
            return [body("box", 0.85, (0.85, 0.85, 0.85))]
        case "cone":
            return [body("frustum", 1.05, (0.9, 1.05, 0.9), taper=0.0)]
        case "cylinder":
            return [body("frustum", 1, (0.72, 1, 0.72))]
        case "pyramid":
            return [body("pyramid", 1, (1.1, 1, 1.1))]
        case "tree":
            trunk = body("frustum", 0.45, (0.16, 0.45, 0.16), _TRUNK, taper=0.8)
            return [trunk, body("sphere", 1.55, (0.85, 0.8, 0.85))]
        case "house":
            roof = body("prism", 1.65, (1.15, 0.45, 1.0), _ROOF)
            door = body("box", 0.38, (0.2, 0.38, 0.03), _DOOR, aside=(0.0, -0.82))
            return [body("box", 0.6, (0.95, 0.6, 0.8)), roof, door]
        case "mushroom":
            stalk = body("frustum", 0.55, (0.32, 0.6, 0.32), _STALK, taper=0.75)
            return [stalk, body("sphere", 1.2, (1.0, 0.55, 1.0))]
