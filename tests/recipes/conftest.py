"""A home folder with a small dataset of every layout that the recipes' comments speak of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from onepic import miniature
from onepic.compiler.scenes.rows import IMAGES, TEXTS, SceneRow
from onepic.sampler import OnePicPipeline

COUNT, SIZE = 4, (48, 64)
ROWS = [SceneRow(5, number, SIZE) for number in range(COUNT)]
CLASSES = "subject_name,class\ndog6,dog\nvase,vase\n"


def picture(row: SceneRow, column: str) -> Image.Image:
    return Image.fromarray(IMAGES[column](row))


def save(image: Image.Image, path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return str(path)


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def write_folders(folder: Path, images: Iterable[str], texts: Iterable[str] = ()) -> None:
    """A sub-folder for each column, and captions beside the images."""
    for number, row in enumerate(ROWS):
        for name in images:
            save(picture(row, name), folder / f"{name}/{number}.png")
        for name in texts:
            (folder / name).mkdir(exist_ok=True)
            (folder / f"{name}/{number}.txt").write_text(TEXTS[name](row))
        (folder / f"image/{number}.txt").write_text(TEXTS["caption"](row))


def write_parquet(path: Path, images: Iterable[str], texts: Iterable[str]) -> None:
    """A table with pictures inside."""
    columns = {name: [encoded(picture(row, name)) for row in ROWS] for name in images}
    columns |= {name: [TEXTS[name](row) for row in ROWS] for name in texts}
    pq.write_table(pa.table(columns), path)


def write_csv(path: Path, images: dict[str, str], texts: Iterable[str] = ()) -> None:
    """A table with paths relative to it; `images` are the scenes' columns by the table's."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*images, *texts])
        writer.writeheader()
        for number, row in enumerate(ROWS):
            cells = {name: TEXTS[name](row) for name in texts}
            for name, column in images.items():
                place = f"{path.stem}/{name}-{number}.png"
                save(picture(row, column), path.parent / place)
                cells[name] = place
            writer.writerow(cells)


def write_groups(folder: Path, columns: Iterable[str], names: Iterable[str], suffix: str) -> None:
    """A folder for each name, with a captioned picture for each column."""
    for row, name in zip(ROWS, names, strict=False):
        for number, column in enumerate(columns):
            save(picture(row, column), folder / f"{name}/{number:02d}{suffix}")
            (folder / f"{name}/{number:02d}.txt").write_text(TEXTS["caption"](row))


def write_stories(path: Path) -> None:
    """Four captioned pictures of each story, one below the other."""
    lines = [["story", "image", "caption"]]
    for number, row in enumerate(ROWS):
        for part in range(1, 5):
            place = f"stories/{number}-{part}.png"
            save(picture(row, f"view_{part}"), path.parent / place)
            lines.append([str(number), place, f"part {part} of {TEXTS['subject'](row)}"])
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)


def write_viton_hd(root: Path) -> None:
    files = {
        "image/{}.jpg": "person",
        "cloth/{}.jpg": "garment",
        "agnostic-v3.2/{}.jpg": "agnostic",
        "agnostic-mask/{}_mask.png": "garment_mask",
        "openpose_img/{}_rendered.png": "pose",
    }
    pairs = []
    for number, row in enumerate(ROWS):
        name = f"{number:05d}_00"
        pairs.append(f"{name}.jpg {name}.jpg")
        for place, column in files.items():
            save(picture(row, column), root / "train" / place.format(name))
    (root / "train_pairs.txt").write_text("\n".join(pairs))


def write_dresscode(root: Path) -> None:
    for category, label in {"upper_body": 4, "lower_body": 6, "dresses": 7}.items():
        pairs = []
        for number, row in enumerate(ROWS[:2]):
            name, folder = f"{number:06d}", root / category
            pairs.append(f"{name}_0.jpg\t{name}_1.jpg")
            save(picture(row, "person"), folder / f"images/{name}_0.jpg")
            save(picture(row, "garment"), folder / f"images/{name}_1.jpg")
            save(picture(row, "pose"), folder / f"skeletons/{name}_5.jpg")
            worn = IMAGES["garment_mask"](row)[..., 0] > 0
            labels = Image.fromarray(np.where(worn, label, 2).astype(np.uint8))
            save(labels, folder / f"label_maps/{name}_4.png")
        (root / category / "train_pairs.txt").write_text("\n".join(pairs))


def write_magicbrush(root: Path) -> None:
    """A session of two turns and two of one; masks are copies with a part erased."""
    sessions: dict[str, list[dict[str, str]]] = {}
    for row, (session, turn) in zip(ROWS, (("7", 1), ("7", 2), ("30", 1), ("139", 1)), strict=True):
        folder = root / f"train/images/{session}"
        before = f"{session}-{'input' if turn == 1 else f'output{turn - 1}'}.png"
        mask, after = f"{session}-mask{turn}.png", f"{session}-output{turn}.png"
        if turn == 1:
            save(picture(row, "image"), folder / before)
        save(picture(row, "edited"), folder / after)
        kept = 255 - IMAGES["edit_mask"](row)[..., :1]
        save(Image.fromarray(np.dstack([IMAGES["image"](row), kept])), folder / mask)
        instruction = TEXTS["instruction"](row)
        sessions.setdefault(session, []).append(
            {"input": before, "mask": mask, "output": after, "instruction": instruction}
        )
    (root / "train/edit_sessions.json").write_text(json.dumps(sessions))


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``~`` holds in the commands of the recipes' comments."""
    home = tmp_path_factory.mktemp("home")
    for number, row in enumerate(ROWS):
        save(picture(row, "image"), home / f"photos/{number}.jpg")
        (home / f"photos/{number}.txt").write_text(TEXTS["caption"](row))
    write_parquet(home / "pictures.parquet", ["image"], ["caption"])
    write_parquet(
        home / "edits.parquet", ["image", "edited", "edit_mask"], ["instruction", "caption"]
    )
    for name, column in {
        "depth-pairs": "depth",
        "normal-pairs": "normals",
        "segments-pairs": "segments",
        "hed-pairs": "edges",
        "image-to-depth": "depth",
        "image-to-normals": "normals",
        "image-to-segments": "segments",
    }.items():
        write_folders(home / name, ["image", column])
    write_folders(home / "masked", ["image", "mask"], ["subject"])
    write_csv(home / "items.csv", {"item": "view_1", "image": "image", "mask": "mask"}, ["subject"])
    write_csv(home / "styles.csv", {name: name for name in ("style", "image", "stylised")})
    worn = ("top", "trousers", "outfit", "outfit_agnostic")
    write_csv(home / "outfits.csv", {name: name for name in worn})
    dressed = ("garment", "person", "agnostic")
    write_csv(home / "people.csv", {name: name for name in dressed}, ["garment_name"])
    write_stories(home / "stories.csv")
    portraits = ["portrait_1", "portrait_2", "portrait_3", "person"]
    write_groups(home / "people", portraits, ["anna", "ben"], ".jpg")
    sides = ["image", "turned_1", "turned_2", "turned_3"]
    write_groups(home / "renders", sides, ["chair", "cup", "lamp"], ".png")
    views = [f"view_{number}" for number in range(1, 5)]
    write_groups(home / "subjects", views, ["dog", "vase"], ".jpg")
    write_groups(home / "dreambooth/dataset", views, ["dog6", "vase"], ".jpg")
    (home / "dreambooth/dataset/prompts_and_classes.txt").write_text(CLASSES)
    write_viton_hd(home / "zalando-hd-resized")
    write_dresscode(home / "DressCode")
    write_magicbrush(home / "MagicBrush")
    return home


@pytest.fixture(scope="session")
def pipe() -> OnePicPipeline:
    """The bundled model, without a task."""
    pipe: Any = OnePicPipeline.from_pretrained(miniature.path())
    pipe.set_progress_bar_config(disable=True)
    return pipe
