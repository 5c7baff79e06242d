"""The photographs that come with scikit-image: real pictures on every machine, with captions."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True)
class Photograph:
    """One bundled photograph; those that are `held_out` train nothing in this project.

    `scene` names what it shows where another one shows the same.
    """

    file: str
    caption: str
    held_out: bool = False
    colour: bool = True
    scene: str | None = None

    @property
    def name(self) -> str:
        """The file's stem."""
        return Path(self.file).stem

    @property
    def path(self) -> Path:
        """Where scikit-image is installed."""
        return Path(str(files("skimage") / "data" / self.file))


PHOTOGRAPHS = (
    Photograph("astronaut.png", "a smiling astronaut in an orange suit before a flag"),
    Photograph("motorcycle_left.png", "a motorcycle in a garage full of tools", scene="motorcycle"),
    Photograph("motorcycle_right.png", "a parked motorcycle in a workshop", scene="motorcycle"),
    Photograph("rocket.jpg", "a rocket on its launch pad at dusk"),
    Photograph("hubble_deep_field.jpg", "galaxies in a black sky"),
    Photograph("ihc.png", "stained tissue under a microscope"),
    Photograph("retina.jpg", "the back of an eye with its vessels"),
    Photograph("coffee.png", "a cup of coffee on a wooden table", held_out=True),
    Photograph("chelsea.png", "the face of a tabby cat", held_out=True),
    Photograph("camera.png", "a man with a camera on a tripod", colour=False),
    Photograph("brick.png", "a brick wall", colour=False),
    Photograph("grass.png", "a lawn", colour=False),
    Photograph("gravel.png", "gravel", colour=False),
    Photograph("moon.png", "craters of the moon", colour=False),
    Photograph("coins.png", "ancient coins", colour=False),
    Photograph("page.png", "a printed page", colour=False),
)
