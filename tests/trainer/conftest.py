"""U-Nets of SDXL's shape, and datasets in the compiler's format: small and random."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from onepic.compiler.embeddings import Embeddings
from onepic.compiler.files import DATASET, NULL_PROMPT, to_json
from onepic.compiler.index import SHARED, Rejection, ShardHeader
from onepic.compiler.info import count
from onepic.compiler.lock import locked
from onepic.compiler.null_prompt import write_null_prompt
from onepic.compiler.writer import Sample, ShardWriter
from onepic.trainer.adapter import trainable

NewUNet = Callable[..., UNet2DConditionModel]
WriteDataset = Callable[..., Path]
Shape = tuple[int, int, int]
LeftOver = Callable[[], set[Any]]


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


@pytest.fixture(scope="session")
def unet_config() -> Mapping[str, Any]:
    """SDXL's U-Net with 32 and 64 channels instead of 320 to 1280."""
    return {
        "sample_size": 16,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (32, 64, 64),
        "layers_per_block": 1,
        "transformer_layers_per_block": (1, 1, 2),
        "attention_head_dim": (2, 4, 4),
        "norm_num_groups": 8,
        "cross_attention_dim": 160,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 96 + 6 * 8,
    }


@pytest.fixture(scope="session")
def sdxl_config(unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The U-Net of stabilityai/stable-diffusion-xl-base-1.0."""
    return {
        **unet_config,
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "norm_num_groups": 32,
        "cross_attention_dim": 2048,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }


@pytest.fixture
def new_unet(unet_config: Mapping[str, Any]) -> NewUNet:
    """`new_unet(layers_per_block=2)` makes a small U-Net, always with the same weights."""

    def make(**changes: Any) -> UNet2DConditionModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return UNet2DConditionModel(**{**unet_config, **changes}).eval()

    return make


@pytest.fixture
def unet(new_unet: NewUNet) -> UNet2DConditionModel:
    """A small U-Net with one layer per block."""
    return new_unet()


@pytest.fixture
def sdxl(sdxl_config: Mapping[str, Any]) -> UNet2DConditionModel:
    """SDXL's own U-Net, without memory for its weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(**sdxl_config)


def predict(unet: nn.Module) -> Tensor:
    """What the U-Net makes of a fixed input."""
    random = torch.Generator().manual_seed(1)
    dtype = next(unet.parameters()).dtype
    latents, hidden, pooled = (
        torch.randn(shape, generator=random).to(dtype)
        for shape in ((2, 4, 16, 16), (2, 5, 160), (2, 96))
    )
    added = {"text_embeds": pooled, "time_ids": torch.full((2, 6), 128.0)}
    with torch.no_grad():
        return unet(latents, 500, hidden, added_cond_kwargs=added).sample


def change_weights(unet: nn.Module) -> None:
    """Move every trained weight by something random, as training would."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in trainable(unet).values():
            parameter += 0.2 * torch.randn(parameter.shape, generator=random)


@pytest.fixture(name="predict")
def predict_fixture() -> Callable[[nn.Module], Tensor]:
    """`predict(unet)` is the output for a fixed input."""
    return predict


@pytest.fixture(name="change_weights")
def change_weights_fixture() -> Callable[[nn.Module], None]:
    """`change_weights(unet)` stands in for training."""
    return change_weights


def write_dataset(
    folder: Path, counts: Sequence[int], shapes: Sequence[Shape] = ((4, 2, 4),), seed: int = 0
) -> Path:
    """A finished dataset with so many random samples in each shard, their shapes taking turns.

    Each shard has two prompts; everything in the empty prompt's embeddings is 7.
    """
    random = np.random.default_rng(seed)
    with locked(folder) as token:
        headers = [
            _write_shard(folder, number, token, random, size, shapes)
            for number, size in enumerate(counts)
        ]
    seven = np.full((1, 3, 8), 7, np.float16), np.full((1, 4), 7, np.float16)
    write_null_prompt(folder / NULL_PROMPT, Embeddings(*seven, cut=[False]))
    info = {
        "format_version": 1,
        "complete": True,
        "recipe": {"fit": "cover"},
        "fingerprint": "f" * 64,
        "model": {"name": "miniature", "revision": None, "scaling_factor": 0.13},
        **count(headers, ()),
    }
    (folder / DATASET).write_bytes(to_json(info))
    return folder


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
        embeddings = Embeddings(
            hidden.astype(np.float16), pooled.astype(np.float16), [False] * prompts
        )
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
