"""Whether two pictures show the same scene at the same place, by their edges.

A map and its photograph have other colours but edges at the same places. Where those of one are
moved over those of the other they agree at one place, which for an aligned pair is where they are:
the phase correlation of their edges has its peak at 0. A peak elsewhere means a shift, and none at
all that the pictures have nothing to do with each other.
"""

from __future__ import annotations

import math
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

#: Cells along a side of the grids on which edges are compared; the finest with two px to a cell.
_SIDES = (256, 128, 64)
#: Heights of a peak in deviations of the correlation. Photographs and their canny, HED, depth,
#: normal and segment maps have 6.5 or more at 0; of pairs that do not belong together one in twenty
#: has more than 5 there, and none more than 15.5 anywhere.
_ALIGNED, _CERTAIN = 5.5, 14.0
#: How much higher than at 0 a peak is that means a shift, and how many cells away.
_HIGHER, _FAR = 1.3, 2.5
#: The share of cells with an edge, on the coarsest grid, below which nothing can be said.
_FEW_EDGES, _EDGE = 0.14, 40.0
#: Poses are coloured lines on black, at places where photographs have no edges: the share of black
#: cells and the saturation of the others from which a picture is one, and what is black.
_BLACK_SHARE, _SATURATED, _BLACK = 0.7, 0.5, 32
#: Where a part of a picture is hidden in the other, the rest is equal: the share of cells with an
#: edge in both whose colours differ by less than so many levels. It is 0.74 or more of persons and
#: their agnostic pictures, and 0.03 or less of strangers.
_SAME_SHARE, _SAME = 0.3, 8

_MEAN = np.full((1, 3), 1 / 3, np.float32)


class Alignment(Enum):
    """How two pictures lie to each other."""

    ALIGNED = "aligned"
    SHIFTED = "shifted"
    UNRELATED = "unrelated"
    UNKNOWN = "unknown"


def alignment_of(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Alignment:
    """How two pictures of one size, uint8 [height, width, 3], lie to each other.

    It is unknown of pictures below 64 px, of those with too few edges, and of poses.
    """
    height, width = one.shape[:2]
    side = next((side for side in _SIDES if 2 * side <= min(height, width)), _SIDES[-1])
    if min(height, width) < side:
        return Alignment.UNKNOWN
    heights = _correlation(_edges(one, side), _edges(other, side))
    row, column = (int(cell) for cell in np.unravel_index(heights.argmax(), heights.shape))
    # Edges that are drawn as two lines agree as well at two places, one on each side of 0.
    other_side = _highest_around(heights, -row, -column)
    least = max(_CERTAIN, _HIGHER * heights[0, 0], _HIGHER * other_side)
    distance = math.hypot(_signed(row, side), _signed(column, side))
    if distance >= _FAR and heights[row, column] >= least:
        return Alignment.SHIFTED
    if _highest_around(heights, 0, 0) >= _ALIGNED:
        return Alignment.ALIGNED
    return _judge_coarsely(one, other)


def _judge_coarsely(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Alignment:
    """How pictures whose edges do not agree lie to each other, by their cells."""
    side = _SIDES[-1]
    small = [_shrunk(picture, side) for picture in (one, other)]
    have_edge = [_edges(picture, side) > _EDGE for picture in small]
    both = have_edge[0] & have_edge[1]
    if both.any() and (cv2.absdiff(*small).max(axis=2)[both] < _SAME).mean() > _SAME_SHARE:
        return Alignment.ALIGNED
    if min(edges.mean() for edges in have_edge) < _FEW_EDGES or any(map(_is_pose, small)):
        return Alignment.UNKNOWN
    return Alignment.UNRELATED


def _shrunk(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _edges(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """How much colours change at each cell of a grid, [side, side]."""
    small = _shrunk(picture, side)
    across = cv2.Sobel(small, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(small, cv2.CV_32F, 0, 1)
    strength: NDArray[np.float32] = cv2.transform(cv2.magnitude(across, down), _MEAN)
    return strength


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """How well edges agree at each shift, [side, side] from 0 on, in deviations.

    Frequencies count by the root of what they have in common: full whitening, as phase correlation
    has it, drowns soft edges in noise, and none makes broad peaks.
    """
    window = cv2.createHanningWindow(one.shape, cv2.CV_32F)
    spectra = []
    for edges in (one, other):
        strength = np.sqrt(edges)
        spectra.append(np.fft.rfft2((strength - strength.mean()) * window))
    cross = spectra[0] * spectra[1].conj()
    cross /= np.sqrt(np.abs(cross)) + 1e-6
    heights = np.fft.irfft2(cross, s=one.shape)
    return np.asarray(heights / (heights.std() + 1e-12), np.float32)


def _highest_around(heights: NDArray[np.float32], row: int, column: int) -> float:
    """The greatest height at a place and its neighbours; the grid has no ends."""
    side = len(heights)
    near = np.arange(-1, 2)
    return float(heights[np.ix_((row + near) % side, (column + near) % side)].max())


def _signed(cell: int, side: int) -> int:
    """A place of the correlation as a shift: those in its second half are negative."""
    return cell - side if cell > side // 2 else cell


def _is_pose(picture: NDArray[np.uint8]) -> bool:
    brightest = picture.max(axis=2)
    drawn = brightest >= _BLACK
    colour = (brightest - picture.min(axis=2))[drawn] / brightest[drawn]
    return bool(drawn.mean() < 1 - _BLACK_SHARE and colour.mean() > _SATURATED)
