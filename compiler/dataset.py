"""Reading a compiled dataset: samples by number, straight from the shards' bytes."""

from __future__ import annotations

import bisect
import json
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from .errors import DatasetError
from .files import DATASET, SHARD_FILES, shard_path
from .index import ShardHeader, read_header, read_index
from .verify import find_damage


@dataclass(frozen=True)
class DatasetSample:
    """One canvas as it is trained on.

    `latents` are float16 [C, H, W], scaled; `mask` uint8 [1, H, W], 1 = target; both are read-only
    views of the shard. `hidden`, float16 [tokens, D], and `pooled`, float16 [P], are the prompt's
    embeddings. `metadata` is the sample's JSON, `preview` its WebP.
    """

    key: str
    latents: NDArray[np.float16]
    mask: NDArray[np.uint8]
    prompt: str
    hidden: NDArray[np.float16]
    pooled: NDArray[np.float16]
    metadata: dict[str, Any]
    preview: bytes


class Dataset:
    """A finished dataset on disk; open one with `open_dataset`.

    `info` is what dataset.json holds. Indexes are read, and shards mapped, when they are needed.
    """

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path = path
        self.info = info

    @cached_property
    def _ends(self) -> list[int]:
        """For each shard the number of samples up to its end."""
        return list(accumulate(header.samples for header in self.headers()))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, number: int) -> DatasetSample:
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} of a dataset of {len(self)}")
        number %= len(self)
        shard = bisect.bisect_right(self._ends, number)
        row = number - (self._ends[shard - 1] if shard else 0)
        time = self._index(shard).stat().st_mtime_ns
        return _read_sample(_open_shard(self.path, shard, time), row)

    def __iter__(self) -> Iterator[DatasetSample]:
        return (self[number] for number in range(len(self)))

    def headers(self) -> Iterator[ShardHeader]:
        """What each shard's index says of it.

        Raises:
            DatasetError: when an index is missing or damaged.
        """
        for number in range(self.info["totals"]["shards"]):
            header = read_header(self._index(number))
            if header is None:
                raise DatasetError(
                    f"{self._index(number)}: missing or damaged; compile again to restore it"
                )
            yield header

    def verify(self) -> list[str]:
        """Read every byte and compare checksums and counts; each problem, or an empty list.

        Compiling again restores what is damaged; where it would not notice the damage, the problem
        says which index has to be deleted first.
        """
        return list(find_damage(self.path, self.info["totals"]))

    def _index(self, number: int) -> Path:
        return shard_path(self.path, number, ".parquet")


def open_dataset(path: str | Path) -> Dataset:
    """Open a compiled dataset.

    Raises:
        DatasetError: when there is none, it is unfinished, or of a newer format.
    """
    folder = Path(path).expanduser()
    return Dataset(folder, read_finished_info(folder, str(folder)))


def read_finished_info(folder: Path, name: str) -> dict[str, Any]:
    """What the dataset.json in `folder` holds; errors call the dataset `name`.

    Raises:
        DatasetError: when there is none, it is unfinished, or of a newer format.
    """
    info = read_known_info(folder, name)
    if not info["complete"]:
        if name.startswith("hf://"):
            raise DatasetError(
                f"{name}: it is not complete; run the onepic-compile or onepic-publish again that "
                "makes it"
            )
        raise DatasetError(f"{name}: compiling it has not finished; run onepic-compile again")
    return info


def read_known_info(folder: Path, name: str) -> dict[str, Any]:
    """As `read_finished_info`, but of an unfinished dataset too.

    Raises:
        DatasetError: when there is none, or it is of a newer format.
    """
    from .fingerprint import FORMAT_VERSION

    info = read_info(folder)
    if info is None:
        raise DatasetError(f"{name}: no {DATASET} there; expected a dataset made by onepic-compile")
    if info["format_version"] > FORMAT_VERSION:
        raise DatasetError(
            f"{name}: format version {info['format_version']} is newer than this onepic reads "
            f"({FORMAT_VERSION}); upgrade onepic"
        )
    return info


def read_info(folder: Path) -> dict[str, Any] | None:
    """What dataset.json holds; None where there is none.

    Raises:
        DatasetError: when it is not the JSON that the compiler writes.
    """
    path = folder / DATASET
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(info, dict) or not {"format_version", "complete", "totals"} <= set(info):
        raise DatasetError(f"{path}: not a dataset.json of onepic")
    return info


@dataclass(frozen=True)
class _Shard:
    """A shard's index, its mapped tar, and its prompts' embeddings."""

    index: pa.Table
    tar: mmap.mmap
    hidden: NDArray[np.float16]
    pooled: NDArray[np.float16]


@lru_cache(maxsize=64)
def _open_shard(folder: Path, number: int, time: int) -> _Shard:  # noqa: ARG001
    """Map a shard; its index's time tells the cache a shard from one that replaced it."""
    index_path = shard_path(folder, number, ".parquet")
    index = read_index(index_path)
    tar_path, text_path = (shard_path(folder, number, suffix) for suffix in SHARD_FILES.values())
    try:
        with tar_path.open("rb") as file:
            tar = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(tar) < index["webp_offset"][-1].as_py() + index["webp_size"][-1].as_py():
            raise ValueError("it is shorter than its index says")
        text = load_file(text_path)
    except (OSError, ValueError, SafetensorError) as error:
        raise DatasetError(
            f"{tar_path}: cannot be read ({error}); delete {index_path} and compile again to "
            "restore it"
        ) from error
    return _Shard(index, tar, text["hidden"], text["pooled"])


def _read_sample(shard: _Shard, row: int) -> DatasetSample:
    entry = {
        name: column[row].as_py()
        for name, column in zip(shard.index.column_names, shard.index.columns, strict=True)
    }

    def member(name: str) -> memoryview:
        start = entry[f"{name}_offset"]
        return memoryview(shard.tar)[start : start + entry[f"{name}_size"]]

    height, width = entry["height"], entry["width"]
    latents = _tail(member("latents"), np.dtype(np.float16), (entry["channels"], height, width))
    return DatasetSample(
        key=entry["key"],
        latents=latents,
        mask=_tail(member("mask"), np.dtype(np.uint8), (1, height, width)),
        prompt=entry["prompt"],
        hidden=shard.hidden[entry["prompt_row"]],
        pooled=shard.pooled[entry["prompt_row"]],
        metadata=json.loads(bytes(member("json"))),
        preview=bytes(member("webp")),
    )


def _tail(data: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array at the end of a .npy file, whose form the index already tells."""
    count = int(np.prod(shape))
    return np.frombuffer(data, dtype, count, len(data) - count * dtype.itemsize).reshape(shape)
