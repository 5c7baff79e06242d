"""Pictures of what is known of a scene: depth, normals, segments, outlines."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .render import Frame

Pixels = NDArray[np.uint8]  # [height, width, 3], RGB

_NEAR, _FAR = 4.0, 12.0  # what is drawn white and black in depth


def depth_map(frame: Frame) -> Pixels:
    """Grey by nearness: white at the camera's feet, black for the sky."""
    nearness = (1 / frame.depth - 1 / _FAR) / (1 / _NEAR - 1 / _FAR)
    grey = (np.clip(nearness, 0, 1) * 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def normal_map(frame: Frame) -> Pixels:
    """Normals as colours: red to the right, green up, blue towards the camera; grey for the sky."""
    turned = frame.normals * np.asarray([1, 1, -1], np.float32)
    return ((turned + 1) * 127.5).round().astype(np.uint8)


def segment_map(frame: Frame, colours: Sequence[tuple[int, int, int]]) -> Pixels:
    """A flat colour for what is behind, for the ground, and for each thing, in this order."""
    return np.asarray(colours, np.uint8)[frame.owners + 1]


def mask_of(frame: Frame, owners: Sequence[int]) -> Pixels:
    """White where things of these numbers are seen, black elsewhere."""
    seen = np.isin(frame.owners, owners)
    return np.repeat(seen[..., None], 3, axis=2).astype(np.uint8) * 255


def outlines(frame: Frame) -> Pixels:
    """White lines on black where one thing ends or a surface folds."""
    owners = frame.owners.astype(np.float32)
    folds = frame.normals[..., 0] + 2 * frame.normals[..., 1] + 4 * frame.normals[..., 2]
    lines = np.zeros(owners.shape, bool)
    for values, least in ((owners, 0.5), (folds, 0.9)):
        for axis in (0, 1):
            lines |= np.abs(np.diff(values, axis=axis, prepend=values.take([0], axis))) > least
    return np.repeat(lines[..., None], 3, axis=2).astype(np.uint8) * 255


def widened(mask: Pixels, share: float) -> Pixels:
    """A mask grown by this share of its shorter side."""
    reach = max(1, round(min(mask.shape[:2]) * share))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown: Pixels = cv2.dilate(mask, kernel)
    return grown


def greyed(pixels: Pixels, mask: Pixels) -> Pixels:
    """The picture with what is white in the mask painted grey."""
    return np.where(mask > 127, np.uint8(128), pixels)
