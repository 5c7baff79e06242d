"""Choice of what a mask's file marks: by a key of the recipe, or as the file says it itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from .options import Label, ReadMask
from .reading import Reading, Unclear, keys_of, read_as_saved
from .values import (
    alpha_of,
    colour_names,
    colours_of,
    hex_of,
    is_layer,
    levels_of,
    listed,
    numbers_of,
)

#: Raised when a file is read as another mask than before.
READING = 2


def read_marks(image: Image.Image, options: ReadMask) -> Reading | Unclear:
    """Read what a file marks; `image` is upright and has the file's own mode and values."""
    reading = _chosen(image, options)
    if options.invert and isinstance(reading, Reading):
        how = reading.how and f"{reading.how}, inverted"
        return replace(reading, marked=~reading.marked, how=how)
    return reading


def _chosen(image: Image.Image, options: ReadMask) -> Reading | Unclear:
    """Read the marks by the key that a recipe gives, if it gives one."""
    if options.labels is not None:
        return _read_labels(image, options.labels)
    if options.alpha is not None:
        return _read_alpha(image, options.alpha)
    if options.threshold is not None:
        return Reading(levels_of(image) >= options.threshold, f"from {options.threshold:g} upwards")
    return read_as_saved(image)


def _read_labels(image: Image.Image, labels: tuple[Label, ...]) -> Reading | Unclear:
    numbers, alpha = numbers_of(image), alpha_of(image)
    wanted = [label for label in labels if isinstance(label, int)]
    colours = [label for label in labels if not isinstance(label, int)]
    if wanted and numbers is None:
        found = f"colours, of which the label {listed(wanted)} is none"
        return Unclear(found, keys_of(colour_names(image)))
    marked = np.zeros((image.height, image.width), bool)
    if numbers is not None:
        marked |= np.isin(numbers, wanted)
    for colour in colours:
        marked |= (colours_of(image) == colour).all(axis=2)
    if alpha is not None:
        marked &= alpha >= 128
    return Reading(marked, f"labels {listed([*wanted, *map(hex_of, colours)])}")


def _read_alpha(image: Image.Image, part: str) -> Reading | Unclear:
    if not is_layer(image):
        return Unclear("no transparency", ("threshold: 128",))
    opaque = np.asarray(image.convert("RGBA").getchannel("A")) >= 128
    return Reading(opaque if part == "opaque" else ~opaque, f"{part} parts")
