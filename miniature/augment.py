"""Endless training pictures from a dozen photographs: crops, colours, and piles of leaves."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor


def random_crop(photograph: Image.Image, rng: np.random.Generator, size: int) -> Image.Image:
    """A square of random scale, place and orientation, resized to `size` px."""
    shorter = min(photograph.size)
    side = min(shorter, size * np.exp(rng.uniform(np.log(0.8), np.log(max(1.0, shorter / size)))))
    left = rng.uniform(0, photograph.width - side)
    top = rng.uniform(0, photograph.height - side)
    box = (left, top, left + side, top + side)
    crop = photograph.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return crop.transpose(Image.Transpose(int(rng.integers(7)))) if rng.random() < 0.8 else crop


def random_colours(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other colours for [H, W, 3] in 0..1: channels mixed, gamma, contrast, brightness."""
    mixing = np.eye(3)[rng.permutation(3)] if rng.random() < 0.5 else np.eye(3)
    mixing = mixing + rng.normal(0, 0.25, (3, 3)) * rng.random()
    mixing /= np.maximum(mixing.sum(axis=1, keepdims=True), 0.4)
    mixed = np.clip(pixels @ mixing.T.astype(np.float32), 0, 1) ** np.exp(rng.normal(0, 0.35))
    mixed = (mixed - 0.5) * np.exp(rng.normal(0, 0.25)) + 0.5 + rng.normal(0, 0.08, 3)
    coloured: np.ndarray = np.clip(mixed, 0, 1).astype(np.float32)
    return coloured


def random_leaf(rng: np.random.Generator, size: int) -> Image.Image:
    """A mask of one random ellipse, polygon or bar."""
    mask = Image.new("L", (size, size))
    draw = ImageDraw.Draw(mask)
    radius = size * float(np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
    centre = rng.uniform(0, size, 2)
    if rng.random() < 0.4:
        stretch = radius * np.exp(rng.normal(0, 0.4, 2))
        draw.ellipse((*(centre - stretch), *(centre + stretch)), fill=255)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
        corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        draw.polygon([tuple(corner) for corner in corners], fill=255)
    return mask


def draw_leaves(photographs: list[Image.Image], rng: np.random.Generator, size: int) -> np.ndarray:
    """Overlapping shapes, flat or filled with photographs: [size, size, 3] in 0..1."""
    canvas = random_picture(photographs, rng, size)
    for _ in range(int(rng.integers(5, 30))):
        leaf = np.asarray(random_leaf(rng, size), dtype=np.float32)[..., None] / 255
        flat = rng.random(3, dtype=np.float32)
        fill = flat if rng.random() < 0.6 else random_picture(photographs, rng, size)
        canvas = canvas * (1 - leaf) + fill * leaf
    return canvas


def random_picture(
    photographs: list[Image.Image], rng: np.random.Generator, size: int
) -> np.ndarray:
    """A crop of a random photograph in other colours: [size, size, 3] in 0..1."""
    crop = random_crop(photographs[rng.integers(len(photographs))], rng, size)
    return random_colours(np.asarray(crop, dtype=np.float32) / 255, rng)


def draw_batch(
    photographs: list[Image.Image], rng: np.random.Generator, count: int, size: int = 128
) -> Tensor:
    """`count` training pictures: [count, 3, size, size] float32 in -1..1."""
    draws = [draw_leaves if rng.random() < 0.25 else random_picture for _ in range(count)]
    pixels = np.stack([draw(photographs, rng, size) for draw in draws])
    return torch.from_numpy(pixels * 2 - 1).permute(0, 3, 1, 2).float()
