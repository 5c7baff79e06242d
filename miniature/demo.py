"""The end of the demo: a trained task on scenes that nothing was trained on, beside the truth.

python -m onepic.miniature.demo runs/demo
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from ..common.errors import OnepicError, TaskError
from ..common.strict import suggest
from ..compiler.scenes.rows import IMAGES, TEXTS, SceneRow
from ..sampler import OnePicPipeline, Task, open_task
from ..sampler.canvas import make_canvas
from ..sampler.sample import open_pipeline

#: the scenes of this seed are for looking at results only
HELD_OUT_SEED = 1
PICTURE = "demo.png"
_GAP, _HEADING = 8, 16
NEXT = """
To do the same with SDXL on your own pictures (one GPU, a folder of photographs):

  onepic-compile recipes/colorization.yaml --source ~/photos \\
    --model stabilityai/stable-diffusion-xl-base-1.0 --output data/mine
  onepic-train data/mine --output runs/mine --steps 1000
  onepic-sample runs/mine --image grey=old.jpg --output colour.png

For another task write another recipe: docs/recipes.md says how."""


def fill_scenes(run: Path, count: int) -> list[Sequence[Image.Image]]:
    """For each scene the condition, the result and the truth.

    Raises:
        TaskError: when `run` has no task, or one that is not of scenes.
    """
    task = open_task(run)
    for panel in task.recipe.panels.values():
        if panel.from_ not in IMAGES:
            raise TaskError(
                f"{run}: the task reads a column {panel.from_!r}, which scenes do not have; "
                f"{suggest(panel.from_, IMAGES)}"
            )
    pipe = open_pipeline(task)
    return [_fill(pipe, task, number) for number in range(count)]


def _fill(pipe: OnePicPipeline, task: Task, number: int) -> Sequence[Image.Image]:
    row = SceneRow(HELD_OUT_SEED, number, task.size)
    columns = {name: panel.from_ for name, panel in task.recipe.panels.items()}
    images = {name: Image.fromarray(IMAGES[columns[name]](row)) for name in task.inputs}
    canvas = make_canvas(task, images, {name: text(row) for name, text in TEXTS.items()})
    generator = torch.Generator().manual_seed(number)
    (result,) = pipe(canvas, guidance_scale=1.0, generator=generator, return_dict=False)[0]
    truth = Image.fromarray(IMAGES[columns[task.targets[0]]](row))
    conditions = [Image.fromarray(canvas.panels[name]) for name in task.inputs]
    return [*conditions, result, truth]


def draw_sheet(rows: Sequence[Sequence[Image.Image]], names: Sequence[str]) -> Image.Image:
    """The rows under each other, each column with a heading."""
    width, height = rows[0][0].size
    across, down = width + _GAP, height + _GAP
    size = len(names) * across - _GAP, _HEADING + len(rows) * down - _GAP
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((column * across + 2, 2), name, fill="black")
        for number, row in enumerate(rows):
            sheet.paste(row[column], (column * across, _HEADING + number * down))
    return sheet


def main() -> None:
    """Read the command line, draw, and say what comes next."""
    parser = argparse.ArgumentParser(description="Draw held-out scenes with a trained task.")
    parser.add_argument("run", type=Path, help="a folder of onepic-train")
    parser.add_argument("--count", type=int, default=6, help="scenes")
    options = parser.parse_args()
    try:
        rows = fill_scenes(options.run, options.count)
    except OnepicError as error:
        print(f"demo: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    conditions = ["condition"] * (len(rows[0]) - 2)
    picture = options.run / PICTURE
    draw_sheet(rows, [*conditions, "result", "truth"]).save(picture)
    print(f"{picture}: what was learned, on scenes that nothing was trained on")
    print(NEXT)


if __name__ == "__main__":
    main()
