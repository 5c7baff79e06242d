"""The bundled photographs as a source: every one cut into crops, so that a demo has real rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from PIL import Image
from pydantic import Field

from ...canvas.row import Columns, Row, Value
from ...common.errors import SourceError
from ...tables.places import file_stamp
from ...tables.source import Source
from .photographs import PHOTOGRAPHS, Photograph

Box = tuple[int, int, int, int]  # left, top, right, bottom, px

#: Shortest sides of a crop, px: most crops are at least the usual one, some only the smallest.
USUAL_SIDE, SMALLEST_SIDE = 256, 128
_SHARE_OF_SMALL = 0.2
_LONGEST_RATIO = 1.25


class PhotosSource(Source):
    """Crops of the colour photographs that scikit-image brings, with captions.

    The columns are ``image`` and ``caption``. Rows go round the photographs, so that the first
    few show different ones. Crops of one photograph are a group.
    """

    kind: Literal["photos"] = "photos"
    crops: int = Field(
        default=40, ge=1, le=100_000, description="Number of crops of each photograph."
    )
    split: Literal["all", "train", "held-out"] = Field(
        default="train", description="The photographs for training, those kept from it, or both."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the crops.")

    def scan(self, columns: Columns, base: Path) -> pa.Table:  # noqa: ARG002 - needs no folder
        """List the crops; see `Source.scan`."""
        columns.check(("image", "caption"), "source photos")
        photographs = [photo for photo in PHOTOGRAPHS if photo.colour and self._includes(photo)]
        stamps = {photo.name: self._stamp(photo) for photo in photographs}
        sizes = {photo.name: _decoded(photo.name).size for photo in photographs}
        scenes = {photo.name: photo.scene or photo.name for photo in photographs}
        rows = []
        for number in range(self.crops):
            for name, size in sizes.items():
                box = crop_box(size, f"{self.seed}/{name}/{number}")
                rows.append((f"{name}/{number:03d}", stamps[name], scenes[name], name, *box))
        names = ("key", "stamp", "group", "photograph", "left", "top", "right", "bottom")
        return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Cut the crops of a slice; see `Source.read`."""
        captions = {photo.name: photo.caption for photo in PHOTOGRAPHS}
        for row in rows.to_pylist():
            box = (row["left"], row["top"], row["right"], row["bottom"])
            values: dict[str, Value] = {
                "image": _decoded(row["photograph"]).crop(box),
                "caption": captions[row["photograph"]],
            }
            yield Row(row["key"], {name: values[name] for name in columns.names if name in values})

    def _includes(self, photo: Photograph) -> bool:
        return self.split == "all" or photo.held_out == (self.split == "held-out")

    def _stamp(self, photo: Photograph) -> str:
        if not photo.path.is_file():
            raise SourceError(f"{photo.path}: scikit-image came without it; install it again")
        return f"image={file_stamp(str(photo.path), self.stamp)}"


def crop_box(size: tuple[int, int], name: str) -> Box:
    """A region of an image of `size` (width, height) px that follows from `name` alone."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    lowest = SMALLEST_SIDE if rng.random() < _SHARE_OF_SMALL else USUAL_SIDE
    short = int(rng.integers(min(lowest, *size), min(size) + 1))
    long = int(short * rng.uniform(1, _LONGEST_RATIO))
    wide = rng.random() < 0.5
    width = min(long if wide else short, size[0])
    height = min(short if wide else long, size[1])
    left = int(rng.integers(0, size[0] - width + 1))
    top = int(rng.integers(0, size[1] - height + 1))
    return left, top, left + width, top + height


@lru_cache(maxsize=len(PHOTOGRAPHS))
def _decoded(name: str) -> Image.Image:
    photo = next(photo for photo in PHOTOGRAPHS if photo.name == name)
    with Image.open(photo.path) as image:
        return image.convert("RGB")
