"""The words of scenes for colours, patterns and places, and what each looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: red, green and blue in 0..1
Colour = tuple[float, float, float]
Pattern = Literal["plain", "striped", "spotted", "checked"]

COLOURS: dict[str, Colour] = {
    "red": (0.82, 0.12, 0.12),
    "orange": (0.94, 0.50, 0.10),
    "yellow": (0.95, 0.84, 0.16),
    "green": (0.14, 0.60, 0.22),
    "turquoise": (0.12, 0.72, 0.72),
    "blue": (0.14, 0.26, 0.82),
    "purple": (0.50, 0.18, 0.68),
    "pink": (0.96, 0.52, 0.70),
    "brown": (0.45, 0.26, 0.12),
    "white": (0.93, 0.93, 0.91),
    "black": (0.09, 0.09, 0.10),
}
PATTERNS: tuple[Pattern, ...] = ("plain", "striped", "spotted", "checked")

#: grounds and what may stand behind them
OUTDOORS = ("grass", "sand", "snow"), ("a blue sky", "a cloudy sky")
INDOORS = (
    ("a wooden floor", "tiles", "a grey carpet"),
    ("a white wall", "a brick wall", "a green wall", "a pink wall"),
)
WALLS: dict[str, Colour] = {
    "a white wall": (0.88, 0.87, 0.84),
    "a brick wall": (0.62, 0.30, 0.22),
    "a green wall": (0.56, 0.70, 0.58),
    "a pink wall": (0.86, 0.68, 0.68),
}


@dataclass(frozen=True)
class Paint:
    """The look of a surface: a colour by name, and a pattern of it with white or black."""

    colour: str
    pattern: Pattern = "plain"

    def __str__(self) -> str:
        return self.colour if self.pattern == "plain" else f"{self.pattern} {self.colour}"

    @property
    def first(self) -> Colour:
        """The colour that the paint is named for."""
        return COLOURS[self.colour]

    @property
    def second(self) -> Colour:
        """The colour of the stripes, spots or checks."""
        return COLOURS["black" if self.colour in ("white", "yellow") else "white"]


@dataclass(frozen=True)
class Place:
    """Where a scene is: a ground, and a sky or a wall behind it."""

    ground: str
    backdrop: str

    def __str__(self) -> str:
        above = "under" if self.is_outdoors else "before"
        inside = "in" if self.ground == "snow" else "on"
        return f"{inside} {self.ground} {above} {self.backdrop}"

    @property
    def is_outdoors(self) -> bool:
        """Whether there is a sky."""
        return self.backdrop.endswith("sky")
