"""The row of a seed: each picture and text that a task may need, drawn when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from . import maps
from .bodies import build_thing
from .edits import Edit, make_edit
from .figure import (
    GARMENT,
    TROUSERS,
    Figure,
    build_figure,
    in_trousers,
    make_arms,
    make_figure,
    make_garment,
    moved,
)
from .flat import lay_flat, lay_trousers_flat
from .maps import Pixels
from .pose import draw_pose
from .render import Frame, render
from .solids import Vector
from .styles import Style, make_style, stylised
from .wording import figure_caption, garment_caption, garment_name, scene_caption
from .world import KINDS, Scene, Thing, Weather, make_light, make_place, make_scene

#: raised whenever a seed gives other pixels or texts
VERSION = 1
VIEWS = 4
PORTRAITS = TURNS = 3
_STEP = np.radians(40)  # not a quarter turn, after which a cube looks as before
#: by how much a person is moved to be seen from the chest up
CLOSER: Vector = (0.0, -0.85, -3.3)
#: colours of segments: what is behind, the ground, then the kinds of things
_BEHIND, _GROUND = (70, 90, 140), (130, 120, 90)
_KIND_COLOURS = (
    (230, 60, 60), (70, 200, 90), (240, 200, 60), (90, 120, 240),
    (220, 100, 220), (40, 160, 130), (250, 140, 50), (160, 240, 240),
)  # fmt: skip
#: skin, garment, hair, trousers
_PART_COLOURS = ((240, 190, 150), (230, 60, 60), (120, 70, 30), (70, 90, 220))


@dataclass(frozen=True)
class SceneRow:
    """The row of one number of one seed; `size` is (width, height) in px."""

    seed: int
    number: int
    size: tuple[int, int]

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.number, purpose])

    @cached_property
    def scene(self) -> Scene:
        """The things, and where they are."""
        return make_scene(self._rng(0))

    @cached_property
    def edit(self) -> Edit:
        """The scene after its instruction."""
        return make_edit(self.scene, self._rng(1))

    @cached_property
    def figure(self) -> Figure:
        """The person."""
        return make_figure(self._rng(2))

    @property
    def subject(self) -> Thing:
        """The thing whose mask, views and name the row offers."""
        return self.scene.things[self.number % len(self.scene.things)]

    @cached_property
    def frame(self) -> Frame:
        """The scene, drawn."""
        return self.draw(self.scene)

    @cached_property
    def edited_frame(self) -> Frame:
        """The edited scene, drawn."""
        return self.draw(self.edit.scene)

    @cached_property
    def figure_frame(self) -> Frame:
        """The person, drawn."""
        return self.draw_figure(self.figure)

    @cached_property
    def outfit(self) -> Figure:
        """The person in a garment and trousers, never in a dress."""
        return in_trousers(self.figure)

    @cached_property
    def outfit_frame(self) -> Frame:
        """The person in a garment and trousers, drawn."""
        return self.draw_figure(self.outfit)

    @cached_property
    def style(self) -> Style:
        """The style that the columns `style` and `stylised` have."""
        return make_style(self._rng(30))

    def draw_figure(self, figure: Figure, by: Vector = (0.0, 0.0, 0.0)) -> Frame:
        """A person at the row's size, moved."""
        bodies = [moved(body, by) for body in build_figure(figure)]
        return render(bodies, figure.place, figure.light, "fair", self.size)

    def draw(self, scene: Scene) -> Frame:
        """Any scene at the row's size."""
        bodies = [body for n, thing in enumerate(scene.things, 1) for body in build_thing(thing, n)]
        return render(bodies, scene.place, scene.light, scene.weather, self.size, self.number)

    def in_weather(self, weather: Weather) -> Pixels:
        """Draw the scene at dusk or in the rain."""
        return self.draw(replace(self.scene, weather=weather)).colours

    def view(self, number: int) -> Scene:
        """The subject alone, turned another way, in another place and light."""
        rng = self._rng(10 + number)
        turned = replace(
            self.subject, x=float(rng.uniform(-0.5, 0.5)), turn=float(rng.uniform(-1.5, 1.5))
        )
        return Scene((turned,), make_place(rng), make_light(rng))

    def turned(self, number: int) -> Scene:
        """The things after so many steps of a turntable that they stand on."""
        angle = number * _STEP
        c, s = float(np.cos(angle)), float(np.sin(angle))
        things = tuple(
            replace(
                thing,
                x=thing.x * c + thing.z * s,
                z=thing.z * c - thing.x * s,
                turn=thing.turn + angle,
            )
            for thing in self.scene.things
        )
        return replace(self.scene, things=things)

    def portrait(self, number: int) -> Figure:
        """The person in another garment, pose, place and light."""
        rng = self._rng(20 + number)
        return replace(
            self.figure,
            garment=make_garment(rng),
            arms=make_arms(rng),
            x=float(rng.uniform(-0.2, 0.2)),
            place=make_place(rng),
            light=make_light(rng),
        )

    def other_scene(self) -> Pixels:
        """A scene that has nothing to do with the others."""
        return self.draw(make_scene(self._rng(31))).colours

    def segments(self) -> Pixels:
        """The scene with a flat colour for each kind of thing."""
        kinds = [_KIND_COLOURS[KINDS.index(thing.kind)] for thing in self.scene.things]
        return maps.segment_map(self.frame, [_BEHIND, _GROUND, *kinds])

    def edit_mask(self) -> Pixels:
        """White, and a little around it, where the edit changes anything but light."""
        owners = np.stack([self.frame.owners, self.edited_frame.owners])
        before = self._is_changed(self.scene, owners[0])
        after = self._is_changed(self.edit.scene, owners[1])
        changed = np.repeat((before | after)[..., None], 3, axis=2)
        return maps.widened(changed.astype(np.uint8) * 255, 0.03)

    def _is_changed(self, scene: Scene, owners: np.ndarray) -> np.ndarray:
        other = self.edit.scene if scene is self.scene else self.scene
        changed = [n for n, thing in enumerate(scene.things, 1) if thing not in other.things]
        return np.isin(owners, changed)

    def garment_mask(self) -> Pixels:
        """White where the garment is, and a little around it."""
        return maps.widened(maps.mask_of(self.figure_frame, [GARMENT]), 0.03)

    def outfit_mask(self) -> Pixels:
        """White where the garment and the trousers are, and a little around them."""
        return maps.widened(maps.mask_of(self.outfit_frame, [GARMENT, TROUSERS]), 0.03)


def _draw_view(number: int) -> Callable[[SceneRow], Pixels]:
    return lambda row: row.draw(row.view(number)).colours


def _draw_turned(number: int) -> Callable[[SceneRow], Pixels]:
    return lambda row: row.draw(row.turned(number)).colours


def _draw_portrait(number: int) -> Callable[[SceneRow], Pixels]:
    return lambda row: row.draw_figure(row.portrait(number), CLOSER).colours


#: what each column of a row holds
IMAGES: dict[str, Callable[[SceneRow], Pixels]] = {
    "image": lambda row: row.frame.colours,
    "mask": lambda row: maps.mask_of(row.frame, [row.scene.things.index(row.subject) + 1]),
    "segments": SceneRow.segments,
    "depth": lambda row: maps.depth_map(row.frame),
    "normals": lambda row: maps.normal_map(row.frame),
    "edges": lambda row: maps.outlines(row.frame),
    "dusk": lambda row: row.in_weather("dusk"),
    "rain": lambda row: row.in_weather("rain"),
    "edited": lambda row: row.edited_frame.colours,
    "edit_mask": SceneRow.edit_mask,
    **{f"view_{n}": _draw_view(n) for n in range(1, VIEWS + 1)},
    "person": lambda row: row.figure_frame.colours,
    "garment": lambda row: lay_flat(row.figure.garment, row.size),
    "garment_mask": SceneRow.garment_mask,
    "agnostic": lambda row: maps.greyed(row.figure_frame.colours, row.garment_mask()),
    "person_segments": lambda row: maps.segment_map(
        row.figure_frame, [_BEHIND, _GROUND, *_PART_COLOURS]
    ),
    "pose": lambda row: draw_pose(row.figure, row.size),
    **{f"portrait_{n}": _draw_portrait(n) for n in range(1, PORTRAITS + 1)},
    "outfit": lambda row: row.outfit_frame.colours,
    "top": lambda row: lay_flat(row.outfit.garment, row.size),
    "trousers": lambda row: lay_trousers_flat(row.outfit.trousers, row.size),
    "outfit_mask": SceneRow.outfit_mask,
    "outfit_agnostic": lambda row: maps.greyed(row.outfit_frame.colours, row.outfit_mask()),
    **{f"turned_{n}": _draw_turned(n) for n in range(1, TURNS + 1)},
    "style": lambda row: stylised(row.other_scene(), row.style),
    "stylised": lambda row: stylised(row.frame.colours, row.style),
}
TEXTS: dict[str, Callable[[SceneRow], str]] = {
    "caption": lambda row: scene_caption(row.scene),
    "subject": lambda row: str(row.subject),
    "kind": lambda row: row.subject.kind,
    "instruction": lambda row: row.edit.instruction,
    "edited_caption": lambda row: scene_caption(row.edit.scene),
    "person_caption": lambda row: figure_caption(row.figure),
    "garment_name": lambda row: garment_name(row.figure.garment),
    "garment_caption": lambda row: garment_caption(row.figure.garment),
}
