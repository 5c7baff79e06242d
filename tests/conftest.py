"""Small builders that tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DrawPicture = Callable[..., Image.Image]


def draw_picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """A smooth colour picture that is different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def picture() -> DrawPicture:
    """`picture(width, height, seed)` draws an RGB image."""
    return draw_picture


@pytest.fixture
def picture_folder(tmp_path: Path) -> Callable[..., Path]:
    """`picture_folder(count)` makes a folder with that many PNG files."""

    def make(count: int = 4, name: str = "pictures", suffix: str = ".png") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            draw_picture(seed=number).save(folder / f"{number:03d}{suffix}")
        return folder

    return make
