"""Looks at a row's panels and latents, for what can be compiled and may yet be wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .alignment import Alignment, alignment_of
from .findings import Finding

#: A panel whose values span fewer levels than this, of 256, in each channel shows next to nothing.
FEW_LEVELS = 32
#: Root mean squares between which the latents of a panel lie. With the bundled model grey ones have
#: 0.31 and blue ones 2.0; a scaling factor that is there twice or missing makes a factor of 5 to 8.
LEAST_SIZE, GREATEST_SIZE = 0.1, 3.5

_Moments = tuple[tuple[float, ...], tuple[float, ...]]


def look_at_panels(
    panels: Mapping[str, NDArray[np.uint8]], targets: Collection[str]
) -> Iterator[Finding]:
    """Find what is odd about the panels of a row, uint8 [height, width, 3] by name.

    The `targets` need not be among them: when sampling they are not there yet.
    """
    moments = {name: _moments(pixels) for name, pixels in panels.items()}
    for name, pixels in panels.items():
        levels = _levels(pixels) if max(moments[name][1]) < FEW_LEVELS / 2 else FEW_LEVELS
        if levels == 1:
            yield Finding("flat-panel", f"panel {name!r}: one colour")
        elif levels < FEW_LEVELS:
            yield Finding("flat-panel", f"panel {name!r}: fewer than {FEW_LEVELS} of 256 levels")
    for target in (name for name in targets if name in panels):
        for name in panels:
            if (
                name not in targets
                and moments[name] == moments[target]
                and np.array_equal(panels[name], panels[target])
            ):
                yield Finding("copied-target", f"panels {name!r} and {target!r}")


def look_at_pairs(columns: Sequence[str], images: Mapping[str, Image.Image]) -> Iterator[Finding]:
    """Which neighbours of `columns`, whose images must align, do not.

    `images` are those at the panels' size, of the columns that have one.
    """
    for first, second in pairwise(columns):
        if first in images and second in images:
            found = alignment_of(np.asarray(images[first]), np.asarray(images[second]))
            if found is Alignment.SHIFTED:
                yield Finding("misaligned", f"columns {first!r} and {second!r}: shifted")
            elif found is Alignment.UNRELATED:
                yield Finding("misaligned", f"columns {first!r} and {second!r}: nothing in common")


def look_at_latents(latents: Mapping[str, NDArray[np.float16]]) -> Iterator[Finding]:
    """Which panels have latents, [C, h, w] by name, of a size that no picture has."""
    for name, values in latents.items():
        if not LEAST_SIZE < size_of(values) < GREATEST_SIZE:
            yield Finding("odd-latents", f"panel {name!r}")


def size_of(latents: NDArray[np.float16]) -> float:
    """The root mean square of latents, near 1 for what a network was trained on."""
    return float(np.sqrt(np.square(latents, dtype=np.float32).mean()))


def _moments(pixels: NDArray[np.uint8]) -> _Moments:
    """Mean and deviation of each channel, which equal panels have in common."""
    mean, deviation = cv2.meanStdDev(pixels)
    return tuple(mean.ravel().tolist()), tuple(deviation.ravel().tolist())


def _levels(pixels: NDArray[np.uint8]) -> int:
    """How many levels lie between the least and the greatest value of a channel, at most."""
    flat = pixels.reshape(-1, pixels.shape[-1])
    return int((flat.max(axis=0).astype(int) - flat.min(axis=0)).max()) + 1
