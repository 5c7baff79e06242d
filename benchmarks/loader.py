"""How many samples a second one process loads: our loader and three others, on the same samples.

    python benchmarks/loader.py
    python benchmarks/loader.py --samples 4096 --seconds 5 --repeats 5
    python benchmarks/loader.py --without-peers

A sample is what a canvas of 1024 px is to a U-Net of SDXL's: latents, float16 [4, 128, 128], a
mask, uint8 [1, 128, 128], and the JSON of docs/format.md. Everybody shuffles, parses the JSON and
makes torch tensors of 8 samples, from files in the page cache, in one process without worker
processes, with one thread of torch's and the memory allocator set as onepic-train sets it. They run
alone, in turns, and each is first checked to give the samples that it was given. Nobody is charged
for beginning an epoch: it would weigh too much in a small dataset.

- onepic: `CanvasLoader` on a compiled dataset, shuffled as a whole. It makes the `time_ids` of the
  JSON. By default it has 2 threads. The last lines read the embeddings of a prompt for each sample
  too, in SDXL's shapes, as training does.
- litdata: `StreamingDataset` and `StreamingDataLoader` on chunks of 256 samples, which are shuffled
  one by one. Latents and masks are torch tensors, which it maps without a copy. As it comes, it
  decodes 16 samples for each that is asked for; with `batch_decode=0` it does not.
- MosaicML streaming: `StreamingDataset` in torch's `DataLoader`, on uncompressed shards, with
  columns of fixed shapes.
- webdataset: our tars with a buffer of 1000 samples to shuffle in. The pictures in them are empty,
  and it leaves out what is not needed. Arrays are taken from the .npy as they are.

The others live in a virtual environment of their own, build/peers-venv, made when it is missing.
Their samples are copied once, into the batch, where their library copies nothing before. The
memory is all that is resident, mapped files too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from onepic.dataset.info import DatasetInfo

BATCH = 8
SHARD = 256
LATENTS, MASK = (4, 128, 128), (1, 128, 128)
HIDDEN, POOLED = (77, 2048), (1280,)
VENV = Path(__file__).parent.parent / "build" / "peers-venv"
PACKAGES = ["litdata", "mosaicml-streaming", "webdataset", "numpy", "torch"]

#: What onepic-train sets for itself: glibc keeps freed memory, instead of clearing it every time.
MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_ARENA_MAX": "1",
}

#: The samples' numbers, latents [B, 4, 128, 128] and masks [B, 1, 128, 128].
Batch = tuple[Iterable[int], Tensor, Tensor]
Epochs = Iterator[Iterable[Batch]]


def make_sample(number: int) -> tuple[NDArray[np.float16], NDArray[np.uint8], dict[str, Any]]:
    """Latents, mask and JSON of a sample."""
    mask = np.zeros(MASK, np.uint8)
    mask[:, 64:, number % 64 :] = 1
    shown = {"original_size": [1536, 1024], "crop": [number % 512, 0, number % 512 + 1024, 1024]}
    metadata = {
        "source": str(number),
        "canvas_size": [1024, 1024],
        "panels": {
            "garment": {"boxes": [[0, 0, 512, 512]], **shown},
            "person": {"boxes": [[512, 0, 512, 512], [0, 512, 512, 512]], **shown},
            "worn": {"boxes": [[512, 512, 512, 512]], **shown},
        },
        "target_boxes": [[512, 512, 512, 512]],
    }
    return random_halves(number, LATENTS), mask, metadata


def random_halves(seed: int, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Float16 numbers from 0 to 1."""
    bits = np.random.default_rng(seed).integers(0, 0x3C00, shape, np.uint16)
    return bits.view(np.float16)


def write_onepic(folder: Path, samples: int) -> None:
    """A compiled dataset, without encoding anything."""
    from safetensors.numpy import save_file

    from onepic.backbones.texts import Embeddings
    from onepic.common.lock import locked
    from onepic.dataset.names import DATASET, NULL_PROMPT, STATE
    from onepic.dataset.writer import Sample, ShardWriter

    def embeddings(rows: int) -> dict[str, NDArray[np.float16]]:
        return {
            "hidden": random_halves(rows, (rows, *HIDDEN)),
            "pooled": random_halves(rows, (rows, *POOLED)),
        }

    headers = []
    with locked(folder, STATE) as token:
        for shard, numbers in enumerate(np.array_split(range(samples), -(-samples // SHARD))):
            with ShardWriter(folder, shard, token) as writer:
                for number in numbers.tolist():
                    latents, mask, metadata = make_sample(number)
                    key, name = f"{number:09d}", str(number)
                    writer.add(Sample(key, name, "", name, latents, mask, b"", metadata))
                prompts = Embeddings(embeddings(len(numbers)), cut=[])
                headers.append(writer.complete("", prompts, [], (0, 0)))
    save_file(embeddings(1), folder / NULL_PROMPT)
    (folder / DATASET).write_bytes(make_info().completed(headers).to_json())


def make_info() -> DatasetInfo:
    """dataset.json of a try-on."""
    from onepic.dataset.info import DatasetInfo, count
    from onepic.dataset.info_parts import EncoderInfo, LatentsInfo, ModelInfo

    columns = {name: {"from": name, "apply": []} for name in ("garment", "person", "worn")}
    return DatasetInfo(
        format_version=1,
        complete=False,
        task="try-on",
        recipe={
            "layout": [["garment", "person"], ["person", "worn"]],
            "target": {"panels": ["worn"], "mask": None},
            "panels": columns,
            "prompt": "",
            "fit": "cover",
        },
        fingerprint="",
        fingerprint_parts={},
        panel_size=(512, 512),
        canvas_size=(1024, 1024),
        latents=LatentsInfo(shape=LATENTS, dtype="float16", distribution="mean"),
        model=ModelInfo(name="none", revision=None, factor=8, scaling_factor=1.0),
        encoder=EncoderInfo(device="none", threads=1),
        versions={},
        totals=count((), ())[0],
    )


def read_onepic(folder: Path, **settings: Any) -> Epochs:
    """Ours, which never pauses between epochs."""
    from onepic.trainer.canvases import open_canvases
    from onepic.trainer.loader import CanvasLoader

    loader = CanvasLoader([open_canvases(folder)], BATCH, **settings)
    while True:
        yield ((batch.samples, batch.latents, batch.mask) for batch in loader)


def collate(samples: Sequence[tuple[Tensor, Tensor, str | bytes]]) -> Batch:
    """A peer's batch, of its samples' latents, masks and JSON."""
    latents, masks, texts = zip(*samples, strict=True)
    numbers = [int(json.loads(text)["source"]) for text in texts]
    return numbers, torch.stack(latents), torch.stack(masks)


def collate_rows(rows: Sequence[dict[str, Any]]) -> Batch:
    """The same of samples as dicts."""
    return collate(
        [
            (torch.as_tensor(row["latents"]), torch.as_tensor(row["mask"]), row["json"])
            for row in rows
        ]
    )


def litdata_row(number: int) -> dict[str, Any]:
    """A sample as litdata stores it."""
    latents, mask, metadata = make_sample(number)
    return {
        "latents": torch.from_numpy(latents),
        "mask": torch.from_numpy(mask),
        "json": json.dumps(metadata),
    }


def write_litdata(folder: Path, samples: int) -> None:
    """Chunks for litdata."""
    from litdata import optimize

    numbers = list(range(samples))
    optimize(litdata_row, numbers, str(folder), chunk_size=SHARD, num_workers=1, verbose=False)


def read_litdata(folder: Path, **settings: Any) -> Epochs:
    """Its dataset in its own loader."""
    from litdata import StreamingDataLoader, StreamingDataset

    dataset = StreamingDataset(str(folder), shuffle=True, drop_last=True, **settings)
    return repeat(StreamingDataLoader(dataset, batch_size=BATCH, collate_fn=collate_rows))


def write_mosaicml(folder: Path, samples: int) -> None:
    """Uncompressed shards for MosaicML streaming."""
    from streaming import MDSWriter

    columns = {
        "latents": f"ndarray:float16:{','.join(map(str, LATENTS))}",
        "mask": f"ndarray:uint8:{','.join(map(str, MASK))}",
        "json": "str",
    }
    with MDSWriter(out=str(folder), columns=columns) as writer:
        for number in range(samples):
            latents, mask, metadata = make_sample(number)
            writer.write({"latents": latents, "mask": mask, "json": json.dumps(metadata)})


def read_mosaicml(folder: Path) -> Epochs:
    """Its dataset in torch's loader."""
    from streaming import StreamingDataset
    from torch.utils.data import DataLoader

    dataset = StreamingDataset(local=str(folder), shuffle=True, batch_size=BATCH)
    return repeat(
        DataLoader(dataset, batch_size=BATCH, collate_fn=collate_rows, drop_last=True),
    )


def read_webdataset(folder: Path) -> Epochs:
    """Our tars, decoded here, as its own decoder takes longer."""
    import webdataset

    def decode(sample: dict[str, bytes]) -> tuple[Tensor, Tensor, bytes]:
        latents = torch.frombuffer(sample["latents.npy"], dtype=torch.float16, offset=128)
        mask = torch.frombuffer(sample["mask.npy"], dtype=torch.uint8, offset=128)
        return latents.view(LATENTS), mask.view(MASK), sample["json"]

    tars = sorted(map(str, folder.rglob("*.tar")))
    dataset = webdataset.WebDataset(
        tars,
        shardshuffle=len(tars),
        select_files=lambda name: name.endswith((".npy", ".json")),
    )
    return repeat(dataset.shuffle(1000).map(decode).batched(BATCH, collate, partial=False))


@dataclass(frozen=True)
class Contender:
    """A way to load: how it is done, the data's format, and the package of a peer."""

    read: Callable[[Path], Epochs]
    data: str
    package: str = ""


CONTENDERS = {
    "onepic": Contender(partial(read_onepic, prompts=False), "onepic"),
    "onepic, 1 thread": Contender(partial(read_onepic, prompts=False, threads=1), "onepic"),
    "litdata": Contender(read_litdata, "litdata", "litdata"),
    "litdata, batch_decode=0": Contender(
        partial(read_litdata, batch_decode=0), "litdata", "litdata"
    ),
    "MosaicML streaming": Contender(read_mosaicml, "mosaicml", "mosaicml-streaming"),
    "webdataset": Contender(read_webdataset, "onepic", "webdataset"),
    "onepic with prompts": Contender(read_onepic, "onepic"),
    "onepic with prompts, 1 thread": Contender(partial(read_onepic, threads=1), "onepic"),
}
WRITERS = {"onepic": write_onepic, "litdata": write_litdata, "mosaicml": write_mosaicml}


@dataclass(frozen=True)
class Measured:
    """Samples a second and the CPU's microseconds for one.

    `memory` is the process's in MB: before, after a tenth of the time, and at the end. `release` is
    a peer's version.
    """

    rate: float
    cpu: float
    memory: tuple[float, float, float]
    release: str


def check(batch: Batch) -> None:
    """Stop unless the tensors are those of the samples that they are said to be."""
    numbers, latents, masks = batch
    assert (latents.dtype, masks.dtype) == (torch.float16, torch.uint8)
    for number, *found in zip(numbers, latents, masks, strict=True):
        for tensor, array in zip(found, make_sample(int(number))[:2], strict=True):
            np.testing.assert_array_equal(tensor.numpy(), array)


def measure(contender: Contender, folder: Path, seconds: float) -> Measured:
    """Load for some seconds, not counting the first batch of an epoch."""
    epochs = contender.read(folder)
    for batch in islice(next(epochs), 32):
        check(batch)
    samples, spent, used, memory = 0, 0.0, 0.0, [resident()]
    while spent < seconds:
        batches = iter(next(epochs))
        next(batches)
        began, used_before = time.perf_counter() - spent, time.process_time() - used
        for _, latents, _ in batches:
            samples += len(latents)
            spent = time.perf_counter() - began
            if spent > seconds * len(memory) / 10:
                memory.append(resident())
            if spent > seconds:
                break
        used = time.process_time() - used_before
    release = version(contender.package) if contender.package else ""
    memories = memory[0], memory[1], memory[-1]
    return Measured(samples / spent, used / samples * 1e6, memories, release)


def resident() -> float:
    """This process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run_alone(peer: bool, *arguments: str) -> str:
    """Run this file in a process of its own; the last line that it prints."""
    python = VENV / "bin" / "python" if peer else sys.executable
    command = [python, __file__, *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | MALLOC
    )
    return (done.stdout.splitlines() or [""])[-1]


def make_peers_venv() -> None:
    """Install the peers, which need other versions of some libraries than we do."""
    installed = VENV / "installed"
    if not installed.exists():
        print(f"installing {', '.join(PACKAGES)} in {VENV}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
        installed.touch()


def warm(folder: Path) -> None:
    """Have the files in the page cache."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.read_bytes()


def compare(
    names: Sequence[str], samples: int, seconds: float, repeats: int
) -> dict[str, list[Measured]]:
    """What each contender's turns gave."""
    found: dict[str, list[Measured]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as place:
        for data in sorted({CONTENDERS[name].data for name in names}):
            print(f"writing {data}", file=sys.stderr)
            options = data, str(Path(place, data)), f"--samples={samples}"
            run_alone(data != "onepic", "--write", *options)
        for turn in range(repeats):
            for name in names:
                print(f"{turn + 1} of {repeats}: {name}", file=sys.stderr)
                contender = CONTENDERS[name]
                folder = Path(place, contender.data)
                warm(folder)
                options = name, str(folder), f"--seconds={seconds}"
                line = run_alone(bool(contender.package), "--worker", *options)
                found[name].append(Measured(**json.loads(line)))
    return found


def show(found: dict[str, list[Measured]]) -> None:
    """Print a table of medians, with the slowest and the fastest turn."""
    rates = {name: statistics.median(run.rate for run in runs) for name, runs in found.items()}
    peers = [rate for name, rate in rates.items() if CONTENDERS[name].package]
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}")
    print(
        "| | samples/s | of the fastest peer | CPU us/sample | MB before, after 10 %, at the end |"
    )
    print("|---|---|---|---|---|")
    for name, runs in found.items():
        turns = sorted(run.rate for run in runs)
        ratio = f"{rates[name] / max(peers):.2f}" if peers else ""
        cpu = statistics.median(run.cpu for run in runs)
        memory = [statistics.median(sizes) for sizes in zip(*(r.memory for r in runs), strict=True)]
        print(
            f"| {name} {runs[0].release} | {rates[name]:,.0f} ({turns[0]:,.0f} to {turns[-1]:,.0f})"
            f" | {ratio} | {cpu:.1f} | {', '.join(f'{size:.0f}' for size in memory)} |"
        )


def main() -> None:
    """Measure and print, or do a part of it in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each")
    parser.add_argument("--without-peers", action="store_true", help="measure ours alone")
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", ".* is not writable")
    torch.set_num_threads(1)
    if arguments.write:
        data, folder = arguments.write
        WRITERS[data](Path(folder), arguments.samples)
    elif arguments.worker:
        name, folder = arguments.worker
        print(json.dumps(asdict(measure(CONTENDERS[name], Path(folder), arguments.seconds))))
    else:
        ours = [name for name, contender in CONTENDERS.items() if not contender.package]
        if not arguments.without_peers:
            make_peers_venv()
        names = ours if arguments.without_peers else list(CONTENDERS)
        show(compare(names, arguments.samples, arguments.seconds, arguments.repeats))


if __name__ == "__main__":
    main()
