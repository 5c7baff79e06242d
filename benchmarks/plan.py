"""How long planning a large table takes, and how much memory.

    python benchmarks/plan.py --rows 1000000

Every row names a file of its own, a link to one small picture, and has a caption. The plan reads
the table, looks at every file, cuts shards and asks which of them are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

FORMATS = ("csv", "jsonl", "parquet")
#: Links that a file gets; file systems allow some ten thousand.
LINKS = 20_000


def make_files(folder: Path, rows: int) -> list[str]:
    """So many linked pictures, a thousand to a folder; their paths relative to `folder`."""
    names = []
    for number in range(rows):
        name = f"{number // 1000:05d}/{number % 1000:03d}.png"
        path = folder / name
        if number % 1000 == 0:
            path.parent.mkdir()
        if number % LINKS == 0:
            Image.new("RGB", (8, 8)).save(path)
            original = path
        else:
            os.link(original, path)
        names.append(name)
    return names


def write_table(path: Path, names: list[str]) -> None:
    """A table of images and captions."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        captions = [f"picture number {number}" for number in range(len(names))]
        pq.write_table(pa.table({"image": names, "caption": captions}), path)
        return
    with path.open("w") as file:
        if path.suffix == ".csv":
            file.write("image,caption\n")
        for number, name in enumerate(names):
            row = {"image": name, "caption": f"picture number {number}"}
            text = json.dumps(row) if path.suffix == ".jsonl" else ",".join(row.values())
            file.write(text + "\n")


def plan(table: Path) -> None:
    """Plan one table and print the figures; runs in a process of its own."""
    from onepic.backbones.model import open_model
    from onepic.compiler.compile import make_layout
    from onepic.compiler.plan import Plan, outdated_shards
    from onepic.compiler.recipe import Recipe

    recipe = Recipe.model_validate(
        {
            "task": "benchmark",
            "source": {"kind": "table", "path": str(table)},
            "panels": {
                "grey": {"from": "image", "apply": ["grayscale"]},
                "colour": {"from": "image"},
            },
            "layout": [["grey", "colour"]],
            "target": "colour",
            "prompt": "{caption}",
        }
    )
    began = time.perf_counter()
    layout = make_layout(recipe, open_model(recipe.model))
    rows = recipe.source.scan(recipe.columns, table.parent)
    made = Plan(recipe, table.parent, layout, rows, "benchmark", table.parent / "output")
    missing = len(list(outdated_shards(made)))
    seconds = time.perf_counter() - began
    print(
        f"{table.suffix[1:]}: {rows.num_rows} rows, {missing} shards, {seconds:.1f} s, "
        f"peak memory {peak_memory() / 1e9:.2f} GB",
        flush=True,
    )


def peak_memory() -> int:
    """The most bytes that this process had; getrusage would count its parent's as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Make the tables, and plan each in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plan:
        plan(arguments.plan)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = make_files(folder, arguments.rows)
        for suffix in FORMATS:
            table = folder / f"table.{suffix}"
            write_table(table, names)
            subprocess.run([sys.executable, __file__, "--plan", str(table)], check=True)


if __name__ == "__main__":
    main()
