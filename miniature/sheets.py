"""Batches for the training of the U-Net: single pictures, and sheets of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import CLIPTokenizer

from .pictures import OF_A_ROW, SIDE

#: rows and columns of a sheet, and how often it is drawn
SHAPES = {(1, 1): 0.25, (1, 2): 0.3, (2, 2): 0.35, (1, 3): 0.1}
#: what the pictures of a sheet have in common, and how often
SAME_SUBJECT, BEFORE_AND_AFTER, PRINTS, WITH_A_MAP = 0.1, 0.2, 0.15, 0.45
_VIEW, _SCENE, _WEATHER = OF_A_ROW.index("view"), OF_A_ROW.index("scene"), OF_A_ROW.index("weather")
_MEDIUM = OF_A_ROW.index("medium")
#: which of the two lies where, before and after: beside, below or across from each other
ORDERS: dict[int, list[tuple[int, ...]]] = {
    2: [(0, 1)],
    3: [(0, 1, 0), (0, 1, 1), (0, 0, 1)],
    4: [(0, 1, 0, 1), (0, 1, 1, 0), (0, 0, 1, 1)],
}
#: how the captions of the maps begin that lie beside their scene: those that are no task of ours
MAPS = ("the depth of", "the segments of")
#: the share of sheets of which some pictures are given, and only the others drawn
COMPLETIONS = 0.7
_COUNTS = {2: "two", 3: "three", 4: "four"}


@dataclass(frozen=True)
class Pictures:
    """Latents float16 [N, 4, 16, 16] and captions; the first are rows of `OF_A_ROW` each.

    `mapped` are the rows whose medium is one of `MAPS`.
    """

    latents: Tensor
    captions: Sequence[str]
    rows: int
    mapped: Sequence[int]
    tokenizers: Sequence[CLIPTokenizer]


@dataclass(frozen=True)
class Sheets:
    """A batch: latents float32 [B, 4, h, w], tokens [2, B, 77], SDXL's sizes [B, 6].

    `mask` float32 [B, 1, h, w] is 1 where noise is added and a loss taken.
    """

    latents: Tensor
    mask: Tensor
    tokens: Tensor
    time_ids: Tensor
    is_dropped: Tensor  # bool [B], where the prompt is left out


def read_pictures(folder: Path, tokenizers: Sequence[CLIPTokenizer]) -> tuple[Pictures, Pictures]:
    """Those to learn from, and those that are held out: the first chunk of scenes."""
    scenes = sorted(folder.glob("scenes-*.safetensors"))
    photos = sorted(folder.glob("photos-*.safetensors"))
    known = _join(scenes[1:], photos, tokenizers)
    return known, _join(scenes[:1], [], tokenizers)


def _join(
    scenes: Sequence[Path], photos: Sequence[Path], tokenizers: Sequence[CLIPTokenizer]
) -> Pictures:
    chunks = [_read_chunk(file) for file in [*scenes, *photos]]
    drawn = sum(len(latents) for latents, _ in chunks[: len(scenes)])
    captions = [caption for _, captions in chunks for caption in captions]
    media = captions[_MEDIUM : drawn : len(OF_A_ROW)]
    return Pictures(
        torch.cat([latents for latents, _ in chunks]),
        captions,
        drawn // len(OF_A_ROW),
        [row for row, caption in enumerate(media) if caption.startswith(MAPS)],
        tokenizers,
    )


def _read_chunk(file: Path) -> tuple[Tensor, list[str]]:
    with safe_open(file, "pt") as content:
        return content.get_tensor("latents"), content.metadata()["captions"].split("\n")


def draw_sheets(pictures: Pictures, panels: int, seed: int, dropout: float) -> Sheets:
    """Sheets of one random shape, of so many panels in all."""
    rng = np.random.default_rng(seed)
    shapes = list(SHAPES)
    down, across = shapes[int(rng.choice(len(shapes), p=list(SHAPES.values())))]
    count = max(1, panels // (down * across))
    chosen = [_choose(pictures, down * across, rng) for _ in range(count)]
    latents = torch.stack([pictures.latents[list(numbers)] for numbers, _ in chosen]).float()
    latents = latents.reshape(count, down, across, *latents.shape[2:]).permute(0, 3, 1, 4, 2, 5)
    latents = latents.flatten(4).flatten(2, 3)  # [B, 4, down * 16, across * 16]
    is_drawn = np.stack([_drawn(down * across, rng) for _ in chosen])
    cells = is_drawn.reshape(count, 1, down, across).repeat(SIDE // 8, 2).repeat(SIDE // 8, 3)
    prompts = [prompt for _, prompt in chosen]
    size = [SIDE * down, SIDE * across]
    return Sheets(
        latents,
        torch.from_numpy(cells).float(),
        torch.stack([_tokens(tokenizer, prompts) for tokenizer in pictures.tokenizers]),
        torch.tensor([*size, 0, 0, *size]).expand(count, -1),
        torch.from_numpy(rng.random(count) < dropout),
    )


def _drawn(count: int, rng: np.random.Generator) -> np.ndarray:
    """Which pictures of a sheet are drawn, and not given: bool [count]."""
    drawn = np.ones(count, bool)
    if count > 1 and rng.random() < COMPLETIONS:
        drawn[rng.permutation(count)[: int(rng.integers(1, count))]] = False
    return drawn


def _choose(pictures: Pictures, count: int, rng: np.random.Generator) -> tuple[list[int], str]:
    """The numbers of the pictures of one sheet, and its prompt."""
    if count == 1:
        number = int(rng.integers(len(pictures.latents)))
        return [number], pictures.captions[number]
    start = int(rng.integers(pictures.rows)) * len(OF_A_ROW)
    kind = rng.random()
    if kind < SAME_SUBJECT:
        numbers = [start + _VIEW + int(n) for n in rng.permutation(4)[:count]]
        subject = pictures.captions[numbers[0]].split(" on ")[0].split(" in ")[0]
        return numbers, f"{_COUNTS[count]} views of {subject}"
    if (kind := kind - SAME_SUBJECT) < BEFORE_AND_AFTER:
        numbers = _arrange(start + _SCENE, start + _WEATHER, count, rng)
        return numbers, "before and after: " + pictures.captions[start + _WEATHER]
    if (kind := kind - BEFORE_AND_AFTER) < WITH_A_MAP:
        start = pictures.mapped[int(rng.integers(len(pictures.mapped)))] * len(OF_A_ROW)
        numbers = _arrange(start + _SCENE, start + _MEDIUM, count, rng)
        return numbers, f"{_COUNTS[count]} pictures: {pictures.captions[start + _SCENE]}"
    if kind - WITH_A_MAP < PRINTS:
        number = int(rng.integers(len(pictures.latents)))
        return [number] * count, f"{_COUNTS[count]} prints of {pictures.captions[number]}"
    numbers = [int(n) for n in rng.integers(len(pictures.latents), size=count)]
    texts = [pictures.captions[number] for number in numbers[:2]]
    return numbers, f"{_COUNTS[count]} pictures: {'; '.join(texts)}"


def _arrange(first: int, second: int, count: int, rng: np.random.Generator) -> list[int]:
    """Two pictures on a sheet of `count`, in a random order."""
    pair = rng.permutation([first, second])
    order = ORDERS[count][int(rng.integers(len(ORDERS[count])))]
    return [int(pair[n]) for n in order]


def _tokens(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    options = {"padding": "max_length", "max_length": 77, "truncation": True}
    tokens: Tensor = tokenizer(prompts, return_tensors="pt", **options).input_ids
    return tokens
