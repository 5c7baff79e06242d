"""Changes of a scene that an instruction asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from .palette import COLOURS, PATTERNS, Paint
from .wording import a
from .world import KINDS, Kind, Scene, Thing, make_paint

_Word = TypeVar("_Word", bound=str)

#: the sides of a scene that a thing is moved to, or added on
_SIDES = {"left": -1.0, "right": 1.0}
#: how far a thing is moved, how far from the middle at most, and how far from others at least
_STEP, _BORDER, _ROOM = 0.9, 1.6, 1.2


@dataclass(frozen=True)
class Edit:
    """A scene after an edit, and the instruction that leads to it.

    `colour` is the one that the instruction names for the thing of the kind `kind`, if it does.
    """

    scene: Scene
    instruction: str
    kind: Kind
    colour: str | None = None


def make_edit(scene: Scene, rng: np.random.Generator) -> Edit:
    """A random edit of a random thing."""
    number = int(rng.integers(len(scene.things)))
    edits = [recolour, recolour, repattern, replace_thing, move]
    edits.append(remove if len(scene.things) > 1 else add)
    return edits[int(rng.integers(len(edits)))](scene, number, rng)


def recolour(scene: Scene, number: int, rng: np.random.Generator) -> Edit:
    """Give a thing another colour."""
    thing = scene.things[number]
    colour = _other(list(COLOURS), thing.paint.colour, rng)
    painted = replace(thing, paint=replace(thing.paint, colour=colour))
    instruction = f"make the {thing.kind} {colour}"
    return Edit(scene.with_thing(number, painted), instruction, thing.kind, colour)


def repattern(scene: Scene, number: int, rng: np.random.Generator) -> Edit:
    """Give a thing another pattern."""
    thing = scene.things[number]
    pattern = _other(PATTERNS, thing.paint.pattern, rng)
    painted = replace(thing, paint=Paint(thing.paint.colour, pattern))
    return Edit(scene.with_thing(number, painted), f"make the {thing.kind} {pattern}", thing.kind)


def replace_thing(scene: Scene, number: int, rng: np.random.Generator) -> Edit:
    """Put a thing of another kind in the place of one, in the same paint and size."""
    thing = scene.things[number]
    kind = _absent_kind(scene, rng)
    edited = scene.with_thing(number, replace(thing, kind=kind))
    return Edit(edited, f"replace the {thing.kind} with {a(kind)}", kind)


def remove(scene: Scene, number: int, rng: np.random.Generator) -> Edit:  # noqa: ARG001
    """Take a thing away."""
    thing = scene.things[number]
    things = (*scene.things[:number], *scene.things[number + 1 :])
    return Edit(replace(scene, things=things), f"remove the {thing.kind}", thing.kind)


def add(scene: Scene, number: int, rng: np.random.Generator) -> Edit:
    """Put another thing beside one, on the side with more room."""
    thing = scene.things[number]
    side = "left" if thing.x > 0 else "right"
    kind, paint = _absent_kind(scene, rng), make_paint(rng)
    x = thing.x + 1.6 * _SIDES[side]
    new = Thing(kind, paint, "small", x, thing.z, float(rng.uniform(-0.7, 0.7)))
    things = tuple(sorted((*scene.things, new), key=lambda thing: thing.x))
    instruction = f"add {a(str(new))} on the {side}"
    return Edit(replace(scene, things=things), instruction, kind, paint.colour)


def move(scene: Scene, number: int, rng: np.random.Generator) -> Edit:
    """Move a thing sideways, to where there is room; give it another colour where there is none."""
    thing = scene.things[number]
    others = [other.x for other in scene.things if other is not thing]
    free = [
        side
        for side, sign in _SIDES.items()
        if abs(x := thing.x + _STEP * sign) <= _BORDER
        and all(abs(x - other) >= _ROOM for other in others)
    ]
    if not free:
        return recolour(scene, number, rng)
    side = free[int(rng.integers(len(free)))]
    moved = replace(thing, x=thing.x + _STEP * _SIDES[side])
    things = tuple(sorted(scene.with_thing(number, moved).things, key=lambda thing: thing.x))
    return Edit(replace(scene, things=things), f"move the {thing.kind} {side}", thing.kind)


def _other(values: Sequence[_Word], than: _Word, rng: np.random.Generator) -> _Word:
    others = [value for value in values if value != than]
    return others[int(rng.integers(len(others)))]


def _absent_kind(scene: Scene, rng: np.random.Generator) -> Kind:
    absent = [kind for kind in KINDS if kind not in {thing.kind for thing in scene.things}]
    return absent[int(rng.integers(len(absent)))]
