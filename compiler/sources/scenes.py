"""Drawn scenes as a source: any number of captioned pictures, with all that a task may need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from PIL import Image
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from ...canvas.row import Columns, Row, Value
from ...tables.source import Source
from ..scenes.rows import IMAGES, TEXTS, VERSION, SceneRow


def _read_size(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def _write_size(size: tuple[int, int]) -> int | tuple[int, int]:
    return size[0] if size[0] == size[1] else size


_SIDE_SCHEMA = {"type": "integer", "minimum": 32, "maximum": 2048}
_SIZE_SCHEMA = {
    "anyOf": [
        _SIDE_SCHEMA,
        {"type": "array", "items": _SIDE_SCHEMA, "minItems": 2, "maxItems": 2},
    ]
}
Side = Annotated[int, Field(ge=32, le=2048)]
PictureSize = Annotated[
    tuple[Side, Side],
    BeforeValidator(_read_size),
    PlainSerializer(_write_size),
    WithJsonSchema(_SIZE_SCHEMA),
]


class ScenesSource(Source):
    """Scenes of simple things, and of people in garments, drawn from a seed when they are read.

    ``caption`` describes ``image``, which ``dusk`` and ``rain`` show in other weather. ``edited``
    is the image after ``instruction``, which changes what ``edit_mask`` shows. ``mask``,
    ``segments``, ``depth``, ``normals`` and ``edges`` are of the image; ``mask`` shows the
    ``subject``, of a ``kind``, which ``view_1`` to ``view_4`` show in other places. ``person``
    wears the ``garment``, which is hidden in ``agnostic`` where ``garment_mask`` is white, and is
    seen closer in ``portrait_1`` to ``portrait_3``. ``outfit`` shows the person in a ``top`` and
    ``trousers``. ``turned_1`` to ``turned_3`` are the image's things on a turntable, and
    ``stylised`` the image in the style of ``style``.
    """

    kind: Literal["scenes"] = "scenes"
    count: int = Field(default=1000, ge=1, le=10_000_000, description="Number of scenes.")
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="Seed of the scenes; keep another one to test."
    )
    size: PictureSize = Field(
        default=(256, 256), description="Side of the square pictures in px, or [width, height]."
    )

    def scan(self, columns: Columns, base: Path) -> pa.Table:  # noqa: ARG002 - needs no folder
        """Number the scenes; see `Source.scan`."""
        columns.check_kinds(tuple(IMAGES), tuple(TEXTS), "source scenes")
        numbers = np.arange(self.count)
        keys = [f"{self.seed}-{number:06d}" for number in numbers]
        return pa.table(
            {"key": keys, "stamp": [f"scenes={VERSION}"] * self.count, "number": numbers}
        )

    def read(self, rows: pa.Table, columns: Columns) -> Iterator[Row]:
        """Draw what is asked for of the scenes of a slice; see `Source.read`."""
        for row in rows.to_pylist():
            scene = SceneRow(self.seed, row["number"], self.size)
            values: dict[str, Value] = {
                name: Image.fromarray(IMAGES[name](scene)) for name in columns.images
            }
            values |= {name: TEXTS[name](scene) for name in columns.only_texts if name in TEXTS}
            yield Row(row["key"], values)
