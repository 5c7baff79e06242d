"""How close a whole compile comes to a bare `vae.encode` loop over the same panels.

    python benchmarks/compile.py
    python benchmarks/compile.py --model FOLDER --panel-size 512 --crops 4

The panels of the bundled photographs are compiled once in one process and once on Ray, by the real
command, from its start to its end. Before and after that a bare loop encodes the same panels in the
same batches with as many threads, as anybody would write it, and twice more with the compiler's
setting of the memory allocator, which on the CPU makes encoding itself faster. It is also measured
what it costs to look for what may be wrong with the panels.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image

from onepic.backbones.model import open_model
from onepic.canvas.layout import Layout
from onepic.canvas.looks import look_at_pairs, look_at_panels
from onepic.canvas.panels import prepare_rows
from onepic.canvas.sizes import batch_size
from onepic.common.errors import RowError
from onepic.common.memory import keep_freed_memory
from onepic.compiler import open_dataset
from onepic.compiler.compile import make_layout
from onepic.compiler.engines.encoder import Encoder
from onepic.compiler.recipe import Recipe
from onepic.compiler.shard import CHUNK


def make_recipe(model: str, side: int, crops: int) -> Recipe:
    """An edges-to-photo canvas of 2 x 2 panels, two of them distinct."""
    return Recipe.model_validate(
        {
            "task": "benchmark",
            "source": {"kind": "photos", "crops": crops},
            "panels": {
                "edges": {"from": "image", "apply": ["canny"]},
                "photo": {"from": "image"},
            },
            "layout": [["edges", "edges"], ["edges", "photo"]],
            "target": "photo",
            "prompt": "{caption}",
            "model": model,
            "panel_size": {"width": side, "height": side},
        }
    )


def distinct_panels(recipe: Recipe, layout: Layout) -> list[NDArray[np.uint8]]:
    """What a compile encodes, shard by shard: every distinct panel, [height, width, 3]."""
    rows = recipe.source.scan(recipe.columns, Path())
    found: list[NDArray[np.uint8]] = []
    for first in range(0, rows.num_rows, recipe.samples_per_shard):
        shard = rows.slice(first, recipe.samples_per_shard)
        known: set[bytes] = set()
        for start in range(0, shard.num_rows, CHUNK):
            chunk = list(recipe.source.read(shard.slice(start, CHUNK), recipe.columns))
            for row in prepare_rows(recipe, layout, chunk):
                if isinstance(row, RowError):
                    raise row
                for name in layout.panels:
                    digest = hashlib.sha256(row.panels[name].tobytes()).digest()
                    if digest not in known:
                        known.add(digest)
                        found.append(row.panels[name])
    return found


@torch.inference_mode()
def encode_bare(encoder: Encoder, panels: list[NDArray[np.uint8]], size: int) -> float:
    """Panels per second of nothing but `vae.encode`."""
    vae, device = encoder.vae, encoder.device
    batches = [
        torch.from_numpy(np.stack(panels[start : start + size])).permute(0, 3, 1, 2)
        for start in range(0, len(panels), size)
    ]
    began = time.perf_counter()
    for batch in batches:
        pixels = batch.to(device, vae.dtype) / 127.5 - 1
        vae.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist.mean.cpu()
    return len(panels) / (time.perf_counter() - began)


def seconds_of_looking(recipe: Recipe, layout: Layout, rows: int = 64) -> float:
    """What it costs to look at the panels of a row, and at a pair that must align, in seconds."""
    some = recipe.source.scan(recipe.columns, Path()).slice(0, rows)
    prepared = prepare_rows(recipe, layout, list(recipe.source.read(some, recipe.columns)))
    seconds = []
    for row in prepared:
        if isinstance(row, RowError):
            raise row
        pair = {name: Image.fromarray(pixels) for name, pixels in row.panels.items()}
        began = time.perf_counter()
        list(look_at_panels(row.panels, row.targets))
        list(look_at_pairs(tuple(pair), pair))
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


class PeakMemory(threading.Thread):
    """The largest memory of a process and all its children, in bytes.

    It is the private memory of all of them and the largest shared one: asking the kernel for exact
    shares takes so long that it would slow down what is measured.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        """Look twice a second until `finish`."""
        while not self._over.wait(0.5):
            sizes = [self._of(process) for process in self._processes()]
            private = sum(private for private, _ in sizes)
            self.peak = max(self.peak, private + max((shared for _, shared in sizes), default=0))

    def finish(self) -> int:
        """Stop looking; the peak."""
        self._over.set()
        self.join()
        return self.peak

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _of(process: psutil.Process) -> tuple[int, int]:
        """Private and shared bytes."""
        try:
            memory = process.memory_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return 0, 0
        return memory.rss - memory.shared, memory.shared


@dataclass(frozen=True)
class Measured:
    """A compile: its seconds from start to end of the command, samples, panels and peak memory."""

    seconds: float
    samples: int
    panels: int
    distinct: int
    memory: int


def compile_whole(recipe_file: Path, output: Path, options: list[str]) -> Measured:
    """Run the command; its own messages go to our stderr."""
    command = [sys.executable, "-m", "onepic.compiler", str(recipe_file), "--output", str(output)]
    began = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=sys.stderr)
    memory = PeakMemory(process.pid)
    memory.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    if code:
        sys.exit(f"the compile failed with exit code {code}")
    totals = open_dataset(output).info.totals
    return Measured(seconds, totals.samples, totals.panels, totals.distinct_panels, memory.finish())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="miniature")
    parser.add_argument("--panel-size", type=int, default=256, help="side of a panel in px")
    parser.add_argument("--crops", type=int, default=150, help="crops of each of the photographs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    recipe = make_recipe(arguments.model, arguments.panel_size, arguments.crops)
    model = open_model(recipe.model)
    layout = make_layout(recipe, model)
    encoder = Encoder(model, threads=os.cpu_count() or 1)
    torch.set_num_threads(os.cpu_count() or 1)
    panels = distinct_panels(recipe, layout)
    size = batch_size(layout.width, layout.height)
    encode_bare(encoder, panels[: 2 * size], size)

    plain = [encode_bare(encoder, panels, size)]
    runs = compile_both_ways(recipe, arguments.workers)
    plain.append(encode_bare(encoder, panels, size))
    keep_freed_memory()
    kept = [encode_bare(encoder, panels, size) for _ in range(2)]

    print(
        f"{len(panels)} distinct panels of {layout.width} x {layout.height} px, batches of {size}"
    )
    for name, rates in (("bare vae.encode", plain), ("bare, memory kept", kept)):
        print(f"{name}: {' and '.join(f'{rate:.1f}' for rate in rates)} panels/s")
    for name, run in runs.items():
        rate = run.distinct / run.seconds
        print(
            f"{name}: {run.samples / run.seconds:.1f} samples/s, {rate:.1f} distinct panels/s, "
            f"{rate / np.mean(plain):.2f} of bare, {rate / np.mean(kept):.2f} of bare with memory "
            f"kept; {1 - run.distinct / run.panels:.0%} of {run.panels} panels saved; "
            f"peak memory {run.memory / 1e9:.2f} GB"
        )
    looking = seconds_of_looking(recipe, layout)
    alone = runs["--local"]
    print(
        f"looking at the panels of a row and at a pair that must align: {looking * 1e3:.2f} ms, "
        f"{looking * alone.samples / alone.seconds:.1%} of a compile in one process"
    )


def compile_both_ways(recipe: Recipe, workers: int) -> dict[str, Measured]:
    """The recipe compiled in one process and on Ray, each into a folder that is then deleted."""
    ways = {"--local": ["--local"], f"Ray, {workers} workers": ["--workers", str(workers)]}
    with tempfile.TemporaryDirectory() as folder:
        recipe_file = Path(folder, "recipe.yaml")
        recipe_file.write_text(recipe.model_dump_json(by_alias=True))
        return {
            name: compile_whole(recipe_file, Path(folder, str(number)), options)
            for number, (name, options) in enumerate(ways.items())
        }


if __name__ == "__main__":
    main()
