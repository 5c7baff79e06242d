"""Datasets in the compiler's format: small and random."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from onepic.backbones.texts import Embeddings
from onepic.common.lock import locked
from onepic.dataset.index import SHARED, Rejection, ShardHeader
from onepic.dataset.info import DatasetInfo
from onepic.dataset.info_parts import Totals
from onepic.dataset.names import DATASET, NULL_PROMPT, STATE
from onepic.dataset.null_prompt import write_null_prompt
from onepic.dataset.writer import Sample, ShardWriter

WriteDataset = Callable[..., Path]
Shape = tuple[int, int, int]
LeftOver = Callable[[], set[Any]]

#: As much of a recipe as a dataset's readers need.
RECIPE = {
    "layout": [["grey", "colour"]],
    "target": {"panels": ["colour"], "mask": None},
    "panels": {
        "grey": {"from": "image", "apply": [{"grayscale": {}}]},
        "colour": {"from": "image", "apply": []},
    },
    "prompt": "",
    "fit": "cover",
}


@pytest.fixture
def new_files() -> LeftOver:
    """`new_files()`: the files that are open and were not when the test began.

    Counts would tell less: what an earlier test has left may be closed meanwhile.
    """
    before = _open_files()
    return lambda: _open_files() - before


@pytest.fixture
def new_threads() -> LeftOver:
    """`new_threads()`: the threads that run and did not when the test began."""
    before = set(threading.enumerate())
    return lambda: set(threading.enumerate()) - before


def _open_files() -> set[tuple[str, str]]:
    found = set()
    for handle in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):  # the folder's own handle, or one closed just now
            found.add((handle, os.readlink(f"/proc/self/fd/{handle}")))  # noqa: PTH115
    return found


def write_dataset(
    folder: Path, counts: Sequence[int], shapes: Sequence[Shape] = ((4, 2, 4),), seed: int = 0
) -> Path:
    """A finished dataset with so many random samples in each shard, their shapes taking turns.

    Each shard has two prompts; everything in the empty prompt's embeddings is 7.
    """
    random = np.random.default_rng(seed)
    with locked(folder, STATE) as token:
        headers = [
            _write_shard(folder, number, token, random, size, shapes)
            for number, size in enumerate(counts)
        ]
    seven = np.full((1, 3, 8), 7, np.float16), np.full((1, 4), 7, np.float16)
    write_null_prompt(
        folder / NULL_PROMPT,
        Embeddings(dict(zip(("hidden", "pooled"), seven, strict=True)), [False]),
    )
    (folder / DATASET).write_bytes(make_info().completed(headers).to_json())
    return folder


def make_info(**changes: Any) -> DatasetInfo:
    """What dataset.json says of two panels side by side, with some keys as `changes` say.

    It says nothing of findings and has no checksums; its totals are 0.
    """
    model = {"name": "miniature", "revision": None, "factor": 8}
    info = {
        "format_version": 1,
        "complete": True,
        "task": "colorization",
        "recipe": RECIPE,
        "fingerprint": "f" * 64,
        "fingerprint_parts": {},
        "panel_size": [64, 64],
        "canvas_size": [128, 64],
        "latents": {"shape": [4, 8, 16], "dtype": "float16", "distribution": "mean"},
        "model": model | {"scaling_factor": 0.45503, "shift_factor": 0.0},
        "encoder": {"device": "cpu", "threads": 1},
        "versions": {"torch": "2"},
        "totals": dict.fromkeys(Totals.model_fields, 0),
        "filters": {},
    }
    return DatasetInfo.model_validate(info | changes, strict=False)


def _write_shard(
    folder: Path,
    number: int,
    token: str,
    random: np.random.Generator,
    size: int,
    shapes: Sequence[Shape],
) -> ShardHeader:
    with ShardWriter(folder, number, token) as writer:
        for row in range(size):
            writer.add(_new_sample(f"{number * 100 + row:09d}", random, shapes[row % len(shapes)]))
        prompts = len(writer.prompts)
        hidden, pooled = random.random((prompts, 3, 8)), random.random((prompts, 4))
        arrays = {"hidden": hidden.astype(np.float16), "pooled": pooled.astype(np.float16)}
        embeddings = Embeddings(arrays, [False] * prompts)
        rejected = () if size else (Rejection("0", "a", "", "read", "missing"),)
        return writer.complete("f" * 64, embeddings if size else None, rejected, (size, size))


def _new_sample(key: str, random: np.random.Generator, shape: Shape) -> Sample:
    _, height, width = shape
    box, crop = [0, 0, 8 * width, 8 * height], [0, 0, int(random.integers(1, 99)), 8]
    return Sample(
        key=key,
        source=f"pictures/{key}.png",
        stamp="",
        prompt="a cat" if int(key) % 2 else "a much longer dog",
        latents=random.standard_normal(shape).astype(np.float16),
        mask=random.integers(0, 2, (1, height, width), np.uint8),
        preview=b"webp",
        metadata={
            "canvas_size": box[2:],
            "panels": {"only": {"boxes": [box], "original_size": crop[2:], "crop": crop}},
            "target_boxes": [box],
        },
    )


@pytest.fixture(scope="session")
def make_older() -> Callable[[Path], None]:
    """`make_older(index)` leaves out of an index what samples share, as it once was."""

    def drop(index: Path) -> None:
        pq.write_table(pq.read_table(index).drop_columns(list(SHARED)), index)

    return drop


@pytest.fixture(scope="session", name="write_dataset")
def write_dataset_fixture() -> WriteDataset:
    """`write_dataset(folder, [4, 0, 2])` writes a dataset with that many samples in each shard."""
    return write_dataset


@pytest.fixture(scope="session")
def many_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 47 samples in 13 shards, one of which is empty; for reading only."""
    return write_dataset(tmp_path_factory.mktemp("many"), [4, 4, 0, *[4] * 9, 3])


@pytest.fixture(scope="session")
def two_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 30 samples in 3 shards with canvases of two shapes; for reading only."""
    shapes = ((4, 2, 4), (4, 3, 2), (4, 2, 4))
    return write_dataset(tmp_path_factory.mktemp("two"), [10] * 3, shapes, seed=1)
