"""The captions of scenes."""

from __future__ import annotations

from .figure import Figure, Garment
from .world import Scene, Weather

_WEATHERS: dict[Weather, str] = {"fair": "", "dusk": " at dusk", "rain": " in the rain"}


def scene_caption(scene: Scene) -> str:
    """``a large red ball and a small striped blue cube on grass under a blue sky``."""
    things = [a(str(thing)) for thing in scene.things]
    named = " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)
    return f"{named} {scene.place}{_WEATHERS[scene.weather]}"


def figure_caption(figure: Figure) -> str:
    """``a person with brown hair in a red vest and blue trousers on tiles before a white wall``."""
    below = "" if figure.garment.cut == "dress" else f" and {figure.trousers} trousers"
    worn = f"{garment_name(figure.garment)}{below}"
    return f"a person with {figure.hair} hair in {worn} {figure.place}"


def garment_name(garment: Garment) -> str:
    """``a red vest with a white star``."""
    return a(str(garment))


def garment_caption(garment: Garment) -> str:
    """``a red vest with a white star laid flat``."""
    return f"{garment_name(garment)} laid flat"


def a(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
