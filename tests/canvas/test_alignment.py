"""Pictures of one scene are told from those that are shifted, or of another scene."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from onepic.canvas.alignment import Alignment, alignment_of
from onepic.canvas.operations import Picture, parse_operation

Pixels = NDArray[np.uint8]


def draw_scene(seed: int, width: int = 256, height: int = 256) -> Pixels:
    """Many shapes of many colours, as full of edges as a photograph."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        left, top = rng.integers(-40, width), rng.integers(-40, height)
        box = (left, top, left + rng.integers(8, width / 3), top + rng.integers(8, height / 3))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return np.asarray(image)


def moved(pixels: Pixels, right: int, down: int) -> Pixels:
    return np.roll(pixels, (down, right), (0, 1))


def operated(pixels: Pixels, operation: str) -> Pixels:
    return np.asarray(parse_operation(operation).apply(Picture(Image.fromarray(pixels))).image)


MAPS = {
    "itself": lambda scene: scene,
    "canny": lambda scene: operated(scene, "canny"),
    "grey": lambda scene: operated(scene, "grayscale"),
    "blurred": lambda scene: operated(scene, "blur"),
    "inverted": lambda scene: 255 - scene,
    "other colours": lambda scene: np.ascontiguousarray(scene[..., ::-1] // 2 + 60),
    "soft edges": lambda scene: np.asarray(
        Image.fromarray(operated(scene, "canny")).filter(ImageFilter.GaussianBlur(len(scene) / 128))
    ),
}


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("size", [(64, 64), (96, 128), (256, 256), (512, 384)])
def test_a_map_belongs_to_its_picture(kind, size):
    for seed in range(3):
        scene = draw_scene(seed, *size)
        assert alignment_of(scene, MAPS[kind](scene)) is Alignment.ALIGNED


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("size", [(64, 64), (256, 256), (512, 384)])
def test_a_map_of_another_picture_is_seen(kind, size):
    for seed in range(3):
        scene, other = draw_scene(seed, *size), draw_scene(seed + 100, *size)
        found = alignment_of(scene, MAPS[kind](other))
        assert found in (Alignment.UNRELATED, Alignment.SHIFTED)


@pytest.mark.parametrize("kind", MAPS)
@pytest.mark.parametrize("shift", [(8, 0), (0, -8), (-16, 8)])
@pytest.mark.parametrize("size", [(256, 256), (512, 512)])
def test_a_shift_of_8_px_is_seen(kind, shift, size):
    scene = draw_scene(7, *size)
    assert alignment_of(scene, moved(MAPS[kind](scene), *shift)) is Alignment.SHIFTED


@pytest.mark.parametrize("kind", MAPS)
def test_one_px_is_no_shift(kind):
    scene = draw_scene(3)
    assert alignment_of(scene, moved(MAPS[kind](scene), 1, 1)) is Alignment.ALIGNED


def test_a_picture_of_which_most_is_hidden_belongs_to_itself():
    scene = draw_scene(5)
    hidden = scene.copy()
    hidden[40:250, 30:240] = 128
    assert alignment_of(scene, hidden) is Alignment.ALIGNED
    assert alignment_of(draw_scene(6), hidden) is Alignment.UNRELATED


def test_nothing_is_said_of_a_pose():
    pose = Image.new("RGB", (256, 256))
    draw = ImageDraw.Draw(pose)
    for number, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]):
        draw.line((120, 30 + 40 * number, 90 + 30 * number, 80 + 40 * number), colour, 8)
    assert alignment_of(draw_scene(1), np.asarray(pose)) is Alignment.UNKNOWN


@pytest.mark.parametrize("size", [(48, 256), (256, 40), (32, 32)])
def test_nothing_is_said_of_small_pictures(size):
    assert alignment_of(draw_scene(1, *size), draw_scene(2, *size)) is Alignment.UNKNOWN


def test_nothing_is_said_of_pictures_without_edges():
    plain = np.full((128, 128, 3), 90, np.uint8)
    assert alignment_of(draw_scene(1, 128, 128), plain) is Alignment.UNKNOWN
    assert alignment_of(plain, plain) is Alignment.UNKNOWN
