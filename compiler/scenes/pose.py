"""The pose of a person: lines between joints, in a colour for each limb."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from .figure import HIP, SHOULDER, Figure, along_arm
from .maps import Pixels
from .render import project
from .solids import Vector

#: the joints that limbs join, from the head down
LIMBS = (
    ("left eye", "nose"), ("right eye", "nose"), ("nose", "neck"),
    ("neck", "left shoulder"), ("left shoulder", "left elbow"), ("left elbow", "left wrist"),
    ("neck", "right shoulder"), ("right shoulder", "right elbow"), ("right elbow", "right wrist"),
    ("neck", "left hip"), ("left hip", "left knee"), ("left knee", "left ankle"),
    ("neck", "right hip"), ("right hip", "right knee"), ("right knee", "right ankle"),
)  # fmt: skip
_FINE = 4  # bits of a px that lines are drawn to


def joints(figure: Figure) -> dict[str, Vector]:
    """Where each joint is in the world; left and right are those of the picture."""
    x = figure.x
    found = {"nose": (x, 2.48, -0.34), "neck": (x, SHOULDER - 0.04, 0.0)}
    for name, side, angle in zip(("right", "left"), (1, -1), figure.arms, strict=True):
        found[f"{name} eye"] = (x + side * 0.13, 2.54, -0.32)
        for joint, share in (("shoulder", 0.0), ("elbow", 0.5), ("wrist", 1.0)):
            across, up = along_arm(side, angle, share)
            found[f"{name} {joint}"] = (x + across, up, 0.0)
        for joint, up in (("hip", HIP), ("knee", 0.46), ("ankle", 0.08)):
            found[f"{name} {joint}"] = (x + side * 0.25, up, 0.0)
    return found


def draw_pose(figure: Figure, size: tuple[int, int]) -> Pixels:
    """The pose on black, [height, width, 3]; `size` is (width, height) in px."""
    found = joints(figure)
    places = project(np.asarray(list(found.values()), np.float32), size)
    points = {
        name: tuple(map(int, np.round(place * (1 << _FINE))))
        for name, place in zip(found, places, strict=True)
    }
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    thickness = max(1, round(min(size) / 48))
    for number, (start, end) in enumerate(LIMBS):
        cv2.line(
            picture, points[start], points[end], _hue(number), thickness, cv2.LINE_AA, _FINE
        )  # fmt: skip
    return picture


def _hue(number: int) -> tuple[float, ...]:
    return tuple(255 * part for part in colorsys.hsv_to_rgb(number / len(LIMBS), 1, 1))
