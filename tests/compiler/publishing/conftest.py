"""Datasets of random latents: all that a publication looks at, without a model's work."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onepic.backbones.model import open_model
from onepic.backbones.texts import Embeddings
from onepic.canvas.layout import Box
from onepic.common.lock import locked
from onepic.compiler import Recipe
from onepic.compiler.card import CARD, render_card
from onepic.compiler.compile import make_layout
from onepic.compiler.info import describe
from onepic.compiler.preview import Preview, encode_preview, write_sheet
from onepic.dataset.index import Rejection, ShardHeader
from onepic.dataset.names import CANVASES, DATASET, NULL_PROMPT, REJECTED, STATE
from onepic.dataset.null_prompt import write_null_prompt
from onepic.dataset.writer import Sample, ShardWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOX = [64, 0, 64, 64]
WriteCanvases = Callable[..., Path]


def write_canvases(folder: Path, seeds: Sequence[int] = (0, 1, 2), **changes: Any) -> Path:
    """A finished dataset with a shard of two samples for each seed, written over an older one."""
    recipe = Recipe.model_validate(
        {
            "task": "colorization",
            "source": {"kind": "photos"},
            "panels": {"grey": {"from": "image"}, "colour": {"from": "image"}},
            "layout": [["grey", "colour"]],
            "target": "colour",
            "panel_size": {"width": 64, "height": 64},
        }
        | changes
    )
    model = open_model("miniature")
    info = describe(recipe, make_layout(recipe, model), model, {}, "cpu")
    for path in folder.glob("shards/*"):
        path.unlink()
    with locked(folder, STATE) as token:
        headers = [_write_shard(folder, n, seed, token) for n, seed in enumerate(seeds)]
    info = info.completed(headers)
    (folder / DATASET).write_bytes(info.to_json())
    zeros = np.zeros((1, 3, 8), np.float16), np.zeros((1, 4), np.float16)
    write_null_prompt(
        folder / NULL_PROMPT,
        Embeddings(dict(zip(("hidden", "pooled"), zeros, strict=True)), [False]),
    )
    rows = [{"key": row.key, "reason": row.reason} for h in headers for row in h.rejected]
    schema = pa.schema([("key", pa.string()), ("reason", pa.string())])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer, write_page_checksum=True)
    (folder / REJECTED).write_bytes(buffer.getvalue())
    write_sheet(
        folder / CANVASES,
        [Preview(_preview(0), "a cat", [Box(*BOX)], np.ones((1, 8, 16), np.uint8))],
        128,
    )
    (folder / CARD).write_text(render_card(info, {"decode": len(rows)}, None))
    return folder


def _write_shard(folder: Path, number: int, seed: int, token: str) -> ShardHeader:
    random = np.random.default_rng(seed)
    with ShardWriter(folder, number, token) as writer:
        for row in range(2):
            writer.add(_sample(f"{number * 10 + row:09d}", random, seed))
        hidden, pooled = random.random((1, 3, 8)), random.random((1, 4))
        arrays = {"hidden": hidden.astype(np.float16), "pooled": pooled.astype(np.float16)}
        texts = Embeddings(arrays, [False])
        bad = Rejection(f"{number * 10 + 5:09d}", "bad.png", "", "decode", "not an image")
        return writer.complete(f"{seed:064x}", texts, [bad], (4, 4))


def _sample(key: str, random: np.random.Generator, seed: int) -> Sample:
    mask = np.zeros((1, 8, 16), np.uint8)
    mask[:, :, 8:] = 1
    panels = {
        name: {"boxes": [[left, 0, 64, 64]], "original_size": [64, 64], "crop": [0, 0, 64, 64]}
        for name, left in (("grey", 0), ("colour", 64))
    }
    return Sample(
        key=key,
        source=f"{key}.png",
        stamp="",
        prompt="a cat",
        latents=random.standard_normal((4, 8, 16)).astype(np.float16),
        mask=mask,
        preview=_preview(seed),
        metadata={"canvas_size": [128, 64], "panels": panels, "target_boxes": [BOX]},
    )


def _preview(seed: int) -> bytes:
    canvas: NDArray[np.uint8] = np.full((64, 128, 3), seed % 256, np.uint8)
    return encode_preview(canvas)


@pytest.fixture(name="write_canvases")
def write_canvases_fixture() -> WriteCanvases:
    """`write_canvases(folder, seeds)` writes a dataset, or writes over one."""
    return write_canvases


@pytest.fixture
def canvases(tmp_path: Path) -> Path:
    """A finished dataset of three shards."""
    return write_canvases(tmp_path / "data")


@pytest.fixture
def files() -> Callable[[Path], dict[str, bytes]]:
    """`files(folder)` gives every file of a dataset by its path, but for the compiler's notes."""

    def read(folder: Path) -> dict[str, bytes]:
        paths = (path for path in folder.rglob("*") if path.is_file())
        named = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        return {name: data for name, data in named.items() if not name.startswith(".")}

    return read
