"""Samples a second that one process loads: our loader, and three others on the same samples.

    python benchmarks/loader.py
    python benchmarks/loader.py --samples 4096 --seconds 5 --repeats 5
    python benchmarks/loader.py --without-peers

A sample is what a U-Net of SDXL's size trains on: latents, float16 [4, 128, 128], a mask, uint8
[1, 128, 128], and the JSON of docs/format.md. Every contender shuffles them, parses the JSON, and
gives torch tensors of 8 samples from files in the page cache. It runs alone in a process of its own
without worker processes, in turns with the others, and is first checked to give the right samples.

- onepic: `CanvasLoader` on a compiled dataset, shards of 256 samples. It makes `time_ids` of the
  JSON. The last lines add the embeddings of a prompt for each sample, in SDXL's shapes.
- litdata: `StreamingDataset` on chunks of 256 samples, with the shuffling of whole chunks in full.
  Latents and mask are flat tensors, which it maps without a copy, the JSON is bytes.
- MosaicML streaming: `StreamingDataset` on uncompressed shards with columns of fixed shape.
- webdataset: our tars without their pictures, which it does not read, and a buffer of 1000 samples
  to shuffle in.

The others copy a sample once, into the batch, where their library allows it. The time that they
take to begin an epoch is not counted, as this dataset is small; ours has no such pause. They live
in a virtual environment of their own, build/peers-venv, which is made when it is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BATCH = 8
SHARD = 256
SHAPE, MASK_SHAPE = (4, 128, 128), (1, 128, 128)
TOKENS, WIDTH, POOLED = 77, 2048, 1280
VENV = Path(__file__).parent.parent / "build" / "peers-venv"
PACKAGES = ["litdata", "mosaicml-streaming", "webdataset", "numpy", "torch"]

#: The samples' numbers, latents [B, 4, 128, 128] and masks [B, 1, 128, 128].
Batch = tuple[Iterable[int], Tensor, Tensor]
Epochs = Iterator[Iterable[Batch]]


def random_halves(number: int, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Float16 numbers between 0 and 1 that follow from a seed."""
    bits = np.random.default_rng(number).integers(0, 0x3C00, shape, np.uint16)
    return bits.view(np.float16)


def make_sample(number: int) -> tuple[NDArray[np.float16], NDArray[np.uint8], dict[str, Any]]:
    """Latents, mask and JSON of a sample."""
    panel = {"original_size": [1536, 1024], "crop": [256 + number % 100, 0, 1280, 1024]}
    mask = np.zeros(MASK_SHAPE, np.uint8)
    mask[:, 64:, number % 64 :] = 1
    return (
        random_halves(number, SHAPE),
        mask,
        {
            "source": str(number),
            "canvas_size": [1024, 1024],
            "panels": {
                "garment": {"boxes": [[0, 0, 512, 512]], **panel},
                "person": {"boxes": [[512, 0, 512, 512], [0, 512, 512, 512]], **panel},
                "worn": {"boxes": [[512, 512, 512, 512]], **panel},
            },
            "target_boxes": [[512, 512, 512, 512]],
        },
    )


def collate(samples: Sequence[tuple[Tensor, Tensor, str | bytes]]) -> Batch:
    """A peer's batch of latents, mask and JSON of some samples."""
    latents, masks, texts = zip(*samples, strict=True)
    return (
        [int(json.loads(text)["source"]) for text in texts],
        torch.stack(latents).view(-1, *SHAPE),
        torch.stack(masks).view(-1, *MASK_SHAPE),
    )


def write_onepic(folder: Path, samples: int) -> None:
    """A compiled dataset, without encoding anything."""
    from safetensors.numpy import save_file

    from onepic.compiler.embeddings import Embeddings
    from onepic.compiler.files import DATASET, NULL_PROMPT, to_json
    from onepic.compiler.info import count as totals
    from onepic.compiler.lock import locked
    from onepic.compiler.writer import Sample, ShardWriter

    headers = []
    with locked(folder) as token:
        for number, first in enumerate(range(0, samples, SHARD)):
            with ShardWriter(folder, number, token) as writer:
                for row in range(first, min(first + SHARD, samples)):
                    latents, mask, metadata = make_sample(row)
                    key, prompt = f"{row:09d}", f"prompt {row}"
                    writer.add(Sample(key, str(row), "", prompt, latents, mask, b"", metadata))
                embeddings = make_embeddings(number, writer.samples)
                headers.append(
                    writer.complete("benchmark", Embeddings(*embeddings, []), [], (0, 0))
                )
    hidden, pooled = make_embeddings(0, 1)
    save_file({"hidden": hidden, "pooled": pooled}, folder / NULL_PROMPT)
    info = {"format_version": 1, "complete": True, "model": {}, "recipe": {"fit": "cover"}}
    info["totals"] = totals(headers)
    (folder / DATASET).write_bytes(to_json(info))


def make_embeddings(seed: int, rows: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """What the text encoders could have said of some prompts."""
    return random_halves(seed, (rows, TOKENS, WIDTH)), random_halves(seed, (rows, POOLED))


def read_onepic(folder: Path, threads: int = 2, prompts: bool = False) -> Epochs:
    """Ours."""
    from onepic.trainer.canvases import open_canvases
    from onepic.trainer.loader import CanvasLoader

    dataset = open_canvases(folder)
    loader = CanvasLoader([dataset], BATCH, prompts=prompts, threads=threads)
    while True:
        yield ((batch.samples, batch.latents, batch.mask) for batch in loader)


def write_litdata(folder: Path, samples: int) -> None:
    """Chunks for litdata."""
    from litdata import optimize

    optimize(
        litdata_sample,
        list(range(samples)),
        str(folder),
        chunk_size=SHARD,
        num_workers=1,
        verbose=False,
    )


def litdata_sample(number: int) -> tuple[Tensor, Tensor, bytes]:
    """Flat tensors are those that litdata stores without a header and reads without a copy."""
    latents, mask, metadata = make_sample(number)
    return (
        torch.from_numpy(latents).flatten(),
        torch.from_numpy(mask).flatten(),
        json.dumps(metadata).encode(),
    )


def read_litdata(folder: Path) -> Epochs:
    """Its own loader; the whole chunks are shuffled, and the samples of each in full."""
    from litdata import StreamingDataLoader, StreamingDataset

    dataset = StreamingDataset(
        str(folder), shuffle=True, drop_last=True, batch_decode=0, item_shuffle_window="full"
    )

    def collate_views(samples: list[tuple[Tensor, Tensor, memoryview]]) -> Batch:
        return collate([(latents, mask, bytes(text)) for latents, mask, text in samples])

    loader = StreamingDataLoader(dataset, batch_size=BATCH, collate_fn=collate_views)
    return (loader for _ in count())


def write_mosaicml(folder: Path, samples: int) -> None:
    """Uncompressed MDS shards."""
    from streaming import MDSWriter

    columns = {
        "latents": "ndarray:float16:" + ",".join(map(str, SHAPE)),
        "mask": "ndarray:uint8:" + ",".join(map(str, MASK_SHAPE)),
        "json": "str",
    }
    with MDSWriter(out=str(folder), columns=columns) as writer:
        for number in range(samples):
            latents, mask, metadata = make_sample(number)
            writer.write({"latents": latents, "mask": mask, "json": json.dumps(metadata)})


def read_mosaicml(folder: Path) -> Epochs:
    """Its dataset in torch's DataLoader."""
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    def collate_dicts(samples: list[dict[str, Any]]) -> Batch:
        return collate(
            [
                (torch.from_numpy(row["latents"]), torch.from_numpy(row["mask"]), row["json"])
                for row in samples
            ]
        )

    dataset = StreamingDataset(local=str(folder), shuffle=True, batch_size=BATCH)
    loader = DataLoader(dataset, batch_size=BATCH, collate_fn=collate_dicts)
    return (loader for _ in count())


def read_webdataset(folder: Path) -> Epochs:
    """Our tars; the arrays are found in the .npy without numpy's parsing of their headers."""
    import webdataset

    def decode(sample: dict[str, Any]) -> tuple[Tensor, Tensor, bytes]:
        latents = np.frombuffer(sample["latents.npy"], np.float16, offset=128)
        mask = np.frombuffer(sample["mask.npy"], np.uint8, offset=128)
        return torch.from_numpy(latents), torch.from_numpy(mask), sample["json"]

    tars = sorted(map(str, folder.rglob("*.tar")))
    dataset = webdataset.WebDataset(
        tars,
        shardshuffle=len(tars),
        select_files=lambda name: name.endswith((".npy", ".json")),
    )
    batches = dataset.shuffle(1000).map(decode).batched(BATCH, collate, partial=False)
    return (batches for _ in count())


@dataclass(frozen=True)
class Contender:
    """A way to load; `data` is the folder, and `package` what is installed, if it is a peer."""

    name: str
    data: str
    read: Callable[[Path], Epochs]
    package: str = ""


CONTENDERS = [
    Contender("onepic", "onepic", read_onepic),
    Contender("onepic, 1 thread", "onepic", lambda folder: read_onepic(folder, threads=1)),
    Contender("litdata", "litdata", read_litdata, "litdata"),
    Contender("MosaicML streaming", "mosaicml", read_mosaicml, "mosaicml-streaming"),
    Contender("webdataset", "onepic", read_webdataset, "webdataset"),
    Contender("onepic with prompts", "onepic", lambda folder: read_onepic(folder, prompts=True)),
    Contender(
        "onepic with prompts, 1 thread",
        "onepic",
        lambda folder: read_onepic(folder, threads=1, prompts=True),
    ),
]
WRITERS = {"onepic": write_onepic, "litdata": write_litdata, "mosaicml": write_mosaicml}


@dataclass(frozen=True)
class Measured:
    """Samples a second; resident memory in MB before, a tenth on and at the end; the version."""

    rate: float
    memory: tuple[float, float, float]
    version: str


def resident() -> float:
    """This process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def check(batch: Batch) -> None:
    """Stop unless the tensors are those of the samples that they are said to be."""
    numbers, latents, mask = batch
    assert latents.dtype == torch.float16
    assert mask.dtype == torch.uint8
    for number, *found in zip(numbers, latents, mask, strict=True):
        for tensor, array in zip(found, make_sample(int(number)), strict=False):
            np.testing.assert_array_equal(tensor.numpy(), array)


def measure(contender: Contender, folder: Path, seconds: float) -> Measured:
    """Load for some seconds, of which the first batch of each epoch is not counted."""
    epochs = contender.read(folder)
    for batch in islice(next(epochs), 32):
        check(batch)
    samples, spent, memory = 0, 0.0, [resident()]
    while spent < seconds:
        batches = iter(next(epochs))
        next(batches)
        began = time.perf_counter()
        for _ in batches:
            samples += BATCH
            elapsed = spent + time.perf_counter() - began
            if elapsed > seconds * len(memory) / 10:
                memory.append(resident())
            if elapsed > seconds:
                break
        spent += time.perf_counter() - began
    release = version(contender.package) if contender.package else ""
    return Measured(samples / spent, (memory[0], memory[1], memory[-1]), release)
