"""Where panels lie on the canvas, in pixels and in latents, and which of it is the target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels or in latent cells."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index the last two axes of an array."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def divided(self, factor: int) -> Box:
        """Count the box in cells of `factor` pixels; exact, as panel sides are multiples of it."""
        return Box(
            self.left // factor, self.top // factor, self.width // factor, self.height // factor
        )

    def as_list(self) -> list[int]:
        """``[left, top, width, height]``, as the samples' JSON has it."""
        return [self.left, self.top, self.width, self.height]


@dataclass(frozen=True)
class Layout:
    """A grid of named panels of one size; a panel may appear in several cells.

    `rows` reads as the canvas looks. `width` and `height` are a panel's in px, both multiples of
    `factor`, the pixels along a side of a latent cell.
    """

    rows: tuple[tuple[str, ...], ...]
    width: int
    height: int
    factor: int

    @property
    def canvas_size(self) -> tuple[int, int]:
        """Width and height of the canvas in px."""
        return len(self.rows[0]) * self.width, len(self.rows) * self.height

    @property
    def latent_size(self) -> tuple[int, int]:
        """Width and height of the canvas in latent cells."""
        width, height = self.canvas_size
        return width // self.factor, height // self.factor

    @property
    def panels(self) -> tuple[str, ...]:
        """The distinct panels, in reading order."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row))

    def cells(self) -> Iterator[tuple[str, Box]]:
        """Each cell's panel and its box in px, in reading order; the boxes tile the canvas."""
        for row, names in enumerate(self.rows):
            for column, name in enumerate(names):
                yield (
                    name,
                    Box(column * self.width, row * self.height, self.width, self.height),
                )

    def boxes(self, panel: str) -> list[Box]:
        """The boxes in px of every cell that shows `panel`."""
        return [box for name, box in self.cells() if name == panel]


def assemble_pixels(layout: Layout, panels: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The canvas as people see it: [H, W, 3] from panels of [height, width, 3]."""
    width, height = layout.canvas_size
    canvas = np.empty((height, width, 3), np.uint8)
    for name, box in layout.cells():
        canvas[box.slices] = panels[name]
    return canvas


def assemble_latents(
    layout: Layout, panels: Mapping[str, NDArray[np.float16]]
) -> NDArray[np.float16]:
    """The canvas as the network sees it: [C, H/factor, W/factor] from the panels' own latents."""
    width, height = layout.latent_size
    channels = next(iter(panels.values())).shape[0]
    canvas = np.empty((channels, height, width), np.float16)
    for name, box in layout.cells():
        canvas[(slice(None), *box.divided(layout.factor).slices)] = panels[name]
    return canvas


def cells_touched(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """[H, W] px to [H/factor, W/factor] cells: true where any pixel of the cell is."""
    height, width = mask.shape
    blocks = mask.reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.any(axis=(1, 3)))


def target_mask(
    layout: Layout, targets: Sequence[str], narrowed: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """The mask m of the paper: uint8 [1, H/factor, W/factor] in latent cells.

    It is 1 where noise is added and the loss is taken (equations 1 to 3).
    `narrowed`, [height, width] px of a panel, leaves only its true part of the target panels.
    """
    width, height = layout.latent_size
    mask = np.zeros((1, height, width), np.uint8)
    part = 1 if narrowed is None else cells_touched(narrowed, layout.factor)
    for name in targets:
        for box in layout.boxes(name):
            mask[(0, *box.divided(layout.factor).slices)] = part
    return mask
