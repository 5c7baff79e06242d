"""Reading of what the values of a mask's file mark, where that is certain."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .values import (
    FEW_COLOURS,
    Greys,
    Numbers,
    alpha_of,
    colour_names,
    colours_of,
    distinct,
    greys_of,
    listed,
)

#: Ways to read a file, as people are told them; none holds a colon and a blank.
BLACK_AND_WHITE = "black and white"
PALETTE = "a palette, whose index 0 is the background"
LAYER = "paint of one colour on a transparent layer"
MARKER = "one colour on black"

#: A soft mask has values of at most this distance to black or to white, as a share of the range,
#: but for some of its pixels. A photograph has less of both.
_NEAR, _MOST_BETWEEN = 0.05, 0.2
#: Up to so many values may be labels. Labels fill areas: more than this share of the pixels between
#: black and white is like its eight neighbours. Of a soft edge or of JPEG's noise hardly any is.
_FEW_VALUES, _MOST_FLAT = 32, 0.05
#: How far the channels of one colour may be apart where it was painted with a soft brush.
_SAME_COLOUR = 8


@dataclass(frozen=True)
class Reading:
    """The marks of a file, bool [H, W], and how they were read; None where it has but one value.

    `is_soft` says that greys between black and white were cut at half of the range.
    """

    marked: NDArray[np.bool_]
    how: str | None
    is_soft: bool = False


@dataclass(frozen=True)
class Unclear:
    """A file that may mean several things: what was found in it, and keys that choose one."""

    found: str
    choices: tuple[str, ...]


def read_as_saved(image: Image.Image) -> Reading | Unclear:
    """Read what a file marks as it says itself, if it does.

    `image` is upright and has the file's own mode and values: see `images.load_values`.
    """
    alpha = alpha_of(image)
    if alpha is not None:
        return _read_layer(image, alpha)
    greys = greys_of(image)
    reading = None if greys is None else _read_greys(greys)
    if image.mode == "P" and not isinstance(reading, Reading):
        return _read_palette(image)
    return reading or _read_colours(image)


def _read_greys(greys: Greys) -> Reading | Unclear:
    values, white = greys.values, greys.white
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return Unclear("values that are no numbers", ("threshold: 0.5",))
    found = distinct(values)
    if len(found) == 1:
        return _read_constant(values, found[0], white)
    if len(found) == 2:
        return _read_pair(values, found, white)
    if _is_soft(values, white, found):
        return Reading(values >= white / 2, BLACK_AND_WHITE, is_soft=True)
    if len(found) <= _FEW_VALUES:
        return Unclear(
            f"the values {listed(found)}, as labels have", (*keys_of(found), _half(white))
        )
    shades = f"{len(found)} greys from {found[0]:g} to {found[-1]:g}"
    return Unclear(f"{shades}, too few of them near black or white", (_half(white),))


def _read_constant(values: Numbers, value: float, white: float) -> Reading | Unclear:
    if value in (0, 1, white):
        return Reading(values > 0, None)
    return Unclear(f"the value {value:g} alone, as of a label", keys_of([value]))


def _read_pair(values: Numbers, found: Sequence[float], white: float) -> Reading | Unclear:
    """The greater of two values marks if the lesser is 0, or black rather than white."""
    lesser, greater = found
    if lesser != 0 and not lesser < white / 2 <= greater:
        return Unclear(f"the values {listed(found)}, as labels have", keys_of(found))
    is_usual = lesser == 0 and greater == white
    how = BLACK_AND_WHITE if is_usual else f"two values, {listed(found)}"
    return Reading(values == greater, how)


def _is_soft(values: Numbers, white: float, found: Sequence[float]) -> bool:
    """Whether many greys are a mask in black and white that was blurred, scaled or compressed."""
    black, full = values <= _NEAR * white, values >= (1 - _NEAR) * white
    if not black.any() or not full.any() or found[0] < -_NEAR * white:
        return False
    if 1 - (black.mean() + full.mean()) > _MOST_BETWEEN:
        return False
    return len(found) > _FEW_VALUES or _flat_share(values, white) <= _MOST_FLAT


def _flat_share(values: Numbers, white: float) -> float:
    """The share of the pixels between black and white that is like all of its neighbours."""
    levels, kernel = values.astype(np.float32), np.ones((3, 3), np.uint8)
    flat = cv2.erode(levels, kernel) == cv2.dilate(levels, kernel)
    between = (values > 0) & (values < white)
    return float((flat & between).sum() / max(int(between.sum()), 1))


def _read_layer(image: Image.Image, alpha: NDArray[np.uint8]) -> Reading | Unclear:
    """Paint on a transparent layer marks; a picture with a transparent part does not say what."""
    if not alpha.any():
        return Reading(alpha > 0, None)
    painted = colours_of(image)[alpha >= alpha.max() / 2]
    if np.ptp(painted, axis=0).max() > _SAME_COLOUR:
        return Unclear(
            "several colours and a transparent part", ("alpha: transparent", "alpha: opaque")
        )
    reading = _read_greys(Greys(alpha, float(alpha.max())))
    if isinstance(reading, Unclear):
        return Unclear("paint of many degrees of transparency", ("alpha: opaque",))
    return replace(reading, how=LAYER)


def _read_palette(image: Image.Image) -> Reading | Unclear:
    """The index 0 is the background, as in label maps; a palette's brightness says nothing."""
    indices = np.asarray(image)
    found = distinct(indices)
    if found == [0]:
        return Reading(indices > 0, None)
    if len(found) == 2 and found[0] == 0 and _colour_at(image, found[1]) != (0, 0, 0):
        return Reading(indices > 0, PALETTE)
    if len(found) <= FEW_COLOURS:
        return Unclear(f"the indices {listed(found)} of a palette, as labels have", keys_of(found))
    return Unclear(f"{len(found)} colours of a palette, as a picture has", ("threshold: 128",))


def _read_colours(image: Image.Image) -> Reading | Unclear:
    colours, names = colours_of(image), colour_names(image)
    if (marker := _marker(colours)) is not None:
        reading = _read_greys(marker)
        if isinstance(reading, Reading):
            return replace(reading, how=MARKER)
    if names:
        return Unclear(f"the colours {listed(names)}, as labels have", keys_of(names))
    return Unclear("many colours, as a picture has", ("threshold: 128",))


def _marker(colours: NDArray[np.uint8]) -> Greys | None:
    """How much of one colour there is on black; None where there is another colour."""
    strength = colours.max(axis=2)
    most = int(strength.max())
    top, left = np.unravel_index(int(strength.argmax()), strength.shape)
    full = colours[top, left].astype(np.float32) / most
    if strength.min() > 0 or np.abs(colours - strength[..., None] * full).max() > 2:
        return None
    return Greys(strength, most)


def _colour_at(image: Image.Image, index: float) -> tuple[int, ...]:
    start = 3 * int(index)
    return tuple((image.getpalette("RGB") or [])[start : start + 3])


def keys_of(found: Sequence[float] | Sequence[str]) -> tuple[str, ...]:
    """The keys of a recipe that choose the first value that is not the background's."""
    first = next((value for value in found if value not in (0, "#000000")), None)
    if first is None or isinstance(first, float):
        return (f"threshold: {first or 128:g}",)
    return (f"labels: [{json.dumps(first)}]",)


def _half(white: float) -> str:
    return f"threshold: {math.ceil(white / 2) if white > 1 else white / 2}"
