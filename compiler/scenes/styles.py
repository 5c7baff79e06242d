"""Pictures in a style: the same scene as if it were printed, laid of tiles or drawn in ink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from .maps import Pixels
from .palette import COLOURS, Colour
from .solids import Bools, Floats

Technique = Literal["ink", "tiles", "dots", "poster"]
TECHNIQUES: tuple[Technique, ...] = get_args(Technique)
_PAPERS: tuple[Colour, ...] = ((0.98, 0.95, 0.86), (0.90, 0.94, 0.98), (0.98, 0.88, 0.84))
_INKS = ("black", "blue", "purple", "brown", "green", "red")


@dataclass(frozen=True)
class Style:
    """A technique, its colours, and how coarse it is: `cell` is a share of the shorter side."""

    technique: Technique
    ink: Colour
    paper: Colour
    cell: float


def make_style(rng: np.random.Generator) -> Style:
    """A style in random colours."""
    return Style(
        technique=TECHNIQUES[int(rng.integers(len(TECHNIQUES)))],
        ink=COLOURS[_INKS[int(rng.integers(len(_INKS)))]],
        paper=_PAPERS[int(rng.integers(len(_PAPERS)))],
        cell=float(rng.uniform(0.02, 0.035)),
    )


def stylised(pixels: Pixels, style: Style) -> Pixels:
    """A picture in a style, of the same size."""
    draw = {"ink": _in_ink, "tiles": _of_tiles, "dots": _in_dots, "poster": _as_poster}
    colours = draw[style.technique](pixels.astype(np.float32) / np.float32(255), style)
    drawn: Pixels = (np.clip(colours, 0, 1) * 255).round().astype(np.uint8)
    return drawn


def _in_ink(colours: Floats, style: Style) -> Floats:
    """Hatched on paper: the darker, the more lines, which cross where it is darkest."""
    grey = _grey(colours)
    y, x = np.indices(grey.shape)
    period = max(3, round(2.5 * style.cell * min(grey.shape)))
    falling, rising = (x + y) % period < 0.4 * period, (x - y) % period < 0.4 * period
    lines = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1), cv2.CV_32F) > 0.03
    return _printed(lines | (falling & (grey < 0.55)) | (rising & (grey < 0.3)), style)


def _of_tiles(colours: Floats, style: Style) -> Floats:
    """Square tiles of one colour each, on mortar."""
    cells, inside_x, inside_y = _cells(colours, style)
    mortar = np.minimum(inside_x, inside_y) < 0.14
    return np.where(mortar[..., None], np.asarray(style.ink, np.float32), cells)


def _in_dots(colours: Floats, style: Style) -> Floats:
    """Dots of one ink on paper, larger where it is dark."""
    cells, inside_x, inside_y = _cells(colours, style)
    reach = np.hypot(inside_x - 0.5, inside_y - 0.5)
    return _printed(reach < 0.6 * np.sqrt(1 - _grey(cells)), style)


def _as_poster(colours: Floats, style: Style) -> Floats:
    """Four flat tones from the ink to the paper."""
    smooth = cv2.GaussianBlur(_grey(colours), (0, 0), 1)
    tones = np.clip(np.floor((smooth - 0.15) * 5), 0, 3)[..., None] / 3
    ink, paper = np.asarray(style.ink, np.float32), np.asarray(style.paper, np.float32)
    poster: Floats = ink + (paper - ink) * tones
    return poster


def _cells(colours: Floats, style: Style) -> tuple[Floats, Floats, Floats]:
    """The mean colour of each pixel's cell [h, w, 3], and where the pixel is in it, 0..1 each."""
    height, width = colours.shape[:2]
    count = round(1 / style.cell)
    across, down = (max(1, round(side / min(width, height) * count)) for side in (width, height))
    means = cv2.resize(colours, (across, down), interpolation=cv2.INTER_AREA)
    x, y = (np.arange(width) + 0.5) * across / width, (np.arange(height) + 0.5) * down / height
    column, row = x.astype(int), y.astype(int)
    inside_x = np.broadcast_to((x - column).astype(np.float32), (height, width))
    inside_y = np.broadcast_to((y - row).astype(np.float32)[:, None], (height, width))
    return means[row[:, None], column], inside_x, inside_y


def _printed(marked: Bools, style: Style) -> Floats:
    ink, paper = np.asarray(style.ink, np.float32), np.asarray(style.paper, np.float32)
    return np.where(marked[..., None], ink, paper)


def _grey(colours: Floats) -> Floats:
    grey: Floats = colours @ np.asarray([0.299, 0.587, 0.114], np.float32)
    return grey
