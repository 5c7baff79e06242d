"""What the miniature's U-Net learns from: scenes and crops of photographs, as latents of the VAE.

    python -m onepic.miniature.pictures --output build/pictures

Drawn in chunks, by as many processes as there are cores; chunks that exist are kept.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors.numpy import save_file

from ..backbones.model import open_model
from ..common.errors import RunError
from ..compiler.engines.encoder import Encoder
from ..compiler.scenes.rows import IMAGES, VIEWS, SceneRow
from ..compiler.scenes.wording import figure_caption, garment_caption, scene_caption
from ..compiler.scenes.world import Weather
from ..compiler.sources.photographs import PHOTOGRAPHS
from .augment import random_colours, random_crop
from .train_vae import read_photograph

SIDE = 128
#: nothing else in this project draws scenes from this seed
SEED = 20_240_501
ROWS_OF_A_CHUNK = 250
PHOTOS_OF_A_CHUNK = 1000

Drawing = tuple[np.ndarray, str]  # uint8 [SIDE, SIDE, 3], and its caption
#: the drawings of a row: those of its scene, of its person, and of its subject in several places
OF_A_ROW = ("scene", "edited", "weather", "medium", "person", "garment", *["view"] * VIEWS)


def draw_row(number: int) -> list[Drawing]:
    """The drawings of one scene, in the order of `OF_A_ROW`."""
    row = SceneRow(SEED, number, (SIDE, SIDE))
    weather: Weather = ("dusk", "rain")[number % 2]  # type: ignore[assignment]
    return [
        (row.frame.colours, scene_caption(row.scene)),
        (row.edited_frame.colours, scene_caption(row.edit.scene)),
        (IMAGES[weather](row), scene_caption(replace(row.scene, weather=weather))),
        draw_medium(row),
        (row.figure_frame.colours, figure_caption(row.figure)),
        (IMAGES["garment"](row), garment_caption(row.figure.garment)),
        *(
            (row.draw(view).colours, scene_caption(view))
            for view in map(row.view, range(1, VIEWS + 1))
        ),
    ]


def draw_medium(row: SceneRow) -> Drawing:
    """The scene as something else than a colour photograph."""
    caption = scene_caption(row.scene)
    match row.number % 4:
        case 0:
            return IMAGES["edges"](row), f"a line drawing of {caption}"
        case 1:
            return IMAGES["depth"](row), f"the depth of {caption}"
        case 2:
            return IMAGES["segments"](row), f"the segments of {caption}"
    grey = ImageOps.grayscale(Image.fromarray(row.frame.colours)).convert("RGB")
    return np.asarray(grey), f"a black and white photograph of {caption}"


def draw_photos(chunk: int) -> list[Drawing]:
    """Crops of the photographs that are not held out, a quarter of them in other colours."""
    rng = np.random.default_rng([SEED, chunk])
    known = [photograph for photograph in PHOTOGRAPHS if not photograph.held_out]
    images = [read_photograph(photograph) for photograph in known]
    drawings = []
    for n in rng.integers(len(known), size=PHOTOS_OF_A_CHUNK):
        pixels = np.asarray(random_crop(images[n], rng, SIDE), dtype=np.float32) / 255
        pixels = random_colours(pixels, rng) if rng.random() < 0.25 else pixels
        drawings.append(((pixels * 255).round().astype(np.uint8), known[n].caption))
    return drawings


def draw_scenes(chunk: int) -> list[Drawing]:
    """All drawings of the rows of a chunk."""
    numbers = range(chunk * ROWS_OF_A_CHUNK, (chunk + 1) * ROWS_OF_A_CHUNK)
    return [drawing for number in numbers for drawing in draw_row(number)]


def write_chunk(folder: Path, name: str, draw: Callable[[int], list[Drawing]], chunk: int) -> None:
    """Draw and encode one chunk, unless it exists: float16 [N, 4, 16, 16], and N captions."""
    file = folder / f"{name}-{chunk:03d}.safetensors"
    if file.exists():
        return
    encoder = Encoder(open_model("miniature"), threads=1)
    drawings = draw(chunk)
    latents: list[np.ndarray] = []
    for start in range(0, len(drawings), 16):
        batch = np.stack([pixels for pixels, _ in drawings[start : start + 16]])
        for latent in encoder.encode_panels(batch, [0] * len(batch)):
            if latent is None:
                raise RunError(f"{file}: a drawing gave latents that are not finite")
            latents.append(latent)
    captions = "\n".join(caption for _, caption in drawings)
    save_file({"latents": np.stack(latents)}, file.with_suffix(".new"), {"captions": captions})
    file.with_suffix(".new").replace(file)
    print(file.name, flush=True)


def write_pictures(folder: Path, rows: int, photos: int) -> None:
    """Write every chunk that is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        partial(write_chunk, folder, "photos", draw_photos, chunk)
        for chunk in range(-(-photos // PHOTOS_OF_A_CHUNK))
    ]
    jobs += [
        partial(write_chunk, folder, "scenes", draw_scenes, chunk)
        for chunk in range(-(-rows // ROWS_OF_A_CHUNK))
    ]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for job in [pool.submit(job) for job in jobs]:
            job.result()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description="Draw what the miniature's U-Net learns from.")
    parser.add_argument("--output", type=Path, default=Path("build/pictures"))
    parser.add_argument("--rows", type=int, default=6000, help="scenes, of ten drawings each")
    parser.add_argument("--photos", type=int, default=4000, help="crops of photographs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    write_pictures(options.output, options.rows, options.photos)


if __name__ == "__main__":
    main()
