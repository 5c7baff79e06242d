"""Datasets of any content, written as the compiler writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from onepic.backbones.texts import Embeddings
from onepic.common.lock import locked
from onepic.compiler.preview import encode_preview
from onepic.dataset.index import SCHEMA, Rejection, ShardHeader, read_index
from onepic.dataset.names import STATE
from onepic.dataset.null_prompt import write_null_prompt
from onepic.dataset.writer import Sample, ShardWriter
from tests.datasets import make_info


def latents(seed: int = 0, shape: Sequence[int] = (4, 8, 16), scale: float = 1.0) -> Any:
    """Latents as a model expects them, times `scale`."""
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float16)


def sample(number: int = 0, **changes: Any) -> Sample:
    """A canvas of two panels, the right one the target; its preview has the colour of its place."""
    values = changes.pop("latents", latents(number))
    _, height, width = values.shape
    mask = np.zeros((1, height, width), np.uint8)
    mask[..., width // 2 :] = 1
    half, high = width * 4, height * 8
    panels = {
        name: {"boxes": [[left, 0, half, high]], "original_size": [half, high], "crop": None}
        for name, left in (("grey", 0), ("colour", half))
    }
    canvas = np.full((high, 2 * half, 3), 40, np.uint8)
    canvas[:, half:] = 200
    return replace(
        Sample(
            key=f"{number:09d}",
            source=f"{number:03d}.png",
            stamp="image=1@2",
            prompt=f"prompt {number}",
            latents=values,
            mask=mask,
            preview=encode_preview(canvas),
            metadata={
                "source": f"{number:03d}.png",
                "canvas_size": [2 * half, high],
                "panels": panels,
                "target_boxes": [[half, 0, half, high]],
            },
        ),
        **changes,
    )


def write_dataset(
    folder: Path,
    *samples: Sample,
    rejected: Sequence[Rejection] = (),
    dropped: Mapping[str, Sequence[Rejection]] = MappingProxyType({}),
    per_shard: int = 2,
    **info: Any,
) -> Path:
    """Write a dataset into an empty folder; `info` replaces keys of dataset.json."""
    with locked(folder, STATE) as token:
        headers = list(_write_shards(folder, token, samples, per_shard, rejected, dropped))
    write_null_prompt(folder / "null_prompt.safetensors", embeddings(1))
    left_out = [row for header in headers for row in header.left_out]
    _write_rejected(folder / "rejected.parquet", left_out)
    known = make_info(format_version=2, filters=dict.fromkeys(dropped, 0)).completed(headers)
    (folder / "dataset.json").write_text(json.dumps(known.plain() | info))
    return folder


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """`make_dataset(*samples, name=, **options)` writes one as `write_dataset` does."""

    def make(*samples: Sample, name: str = "data", **options: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        return write_dataset(folder, *samples, **options)

    return make


def _write_shards(
    folder: Path,
    token: str,
    samples: Sequence[Sample],
    per_shard: int,
    rejected: Sequence[Rejection],
    dropped: Mapping[str, Sequence[Rejection]],
) -> Iterator[ShardHeader]:
    for number in range(max(1, -(-len(samples) // per_shard))):
        part = samples[number * per_shard : (number + 1) * per_shard]
        with ShardWriter(folder, number, token) as writer:
            for each in part:
                writer.add(each)
            texts = embeddings(len(writer.prompts)) if part else None
            rows = ((), {}) if number else (rejected, dropped)
            yield writer.complete("f", texts, rows[0], (2 * len(part),) * 2, rows[1])


def embeddings(prompts: int) -> Embeddings:
    hidden, pooled = np.zeros((prompts, 77, 8), np.float16), np.zeros((prompts, 8), np.float16)
    return Embeddings({"hidden": hidden, "pooled": pooled}, [False] * prompts)


def _write_rejected(path: Path, rejected: Sequence[Rejection]) -> None:
    names = ("key", "source", "stamp", "stage", "reason")
    rows = [{name: getattr(row, name) for name in names} for row in rejected]
    schema = pa.schema([(name, pa.string()) for name in names])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, write_page_checksum=True)


def reject(number: int, **changes: Any) -> Rejection:
    row = Rejection(f"{number:09d}", f"{number:03d}.png", "", "decode", "not a picture")
    return replace(row, **changes)


def drop_previews(folder: Path) -> None:
    """Say in the indexes that no sample has a preview."""
    for path in (folder / "shards").glob("*.parquet"):
        header, rows = pq.read_schema(path).metadata, read_index(path).to_pylist()
        table = pa.Table.from_pylist([row | {"webp_size": 0} for row in rows], schema=SCHEMA)
        pq.write_table(table.replace_schema_metadata(header), path, write_page_checksum=True)


def open_picture(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@dataclass
class Heard:
    """A report that keeps what it was told."""

    begun: int = 0
    done: int = 0

    def note(self, text: str) -> None: ...

    def begin(self, total: int, done: int = 0, verb: str = "", unit: str = "") -> None:
        self.begun += total

    def advance(self, count: int, text: str = "") -> None:
        self.done += count

    def end(self) -> None: ...
