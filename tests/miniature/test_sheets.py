"""What the miniature's U-Net learns from: drawings with captions, alone and side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import CLIPTokenizer

from onepic.compiler.scenes.rows import SceneRow
from onepic.miniature import path
from onepic.miniature.pictures import (
    OF_A_ROW,
    SEED,
    SIDE,
    Drawing,
    draw_medium,
    draw_row,
    write_chunk,
)
from onepic.miniature.sheets import SHAPES, Pictures, draw_sheets, read_pictures

ROWS, PHOTOS = 3, 5
NAMES = ("tokenizer", "tokenizer_2")


@pytest.fixture(scope="module")
def tokenizers() -> list[CLIPTokenizer]:
    return [CLIPTokenizer.from_pretrained(path() / name) for name in NAMES]


def write_latents(folder: Path, name: str, first: int, captions: list[str]) -> None:
    """A chunk whose pictures are flat: the n-th has the value `first` + n everywhere."""
    values = np.arange(first, first + len(captions), dtype=np.float16)
    latents = np.broadcast_to(values[:, None, None, None], (len(captions), 4, 16, 16))
    file = folder / f"{name}.safetensors"
    save_file({"latents": np.ascontiguousarray(latents)}, file, {"captions": "\n".join(captions)})


MEDIA = ("a line drawing of", "the depth of", "the segments of")


def captions_of(row: int) -> list[str]:
    named = {name: f"a large red ball on sand, {name} of {row}" for name in OF_A_ROW}
    named["medium"] = f"{MEDIA[row]} {named['scene']}"
    return [named[name] for name in OF_A_ROW]


@pytest.fixture
def pictures(tmp_path: Path, tokenizers: list[CLIPTokenizer]) -> tuple[Pictures, Pictures]:
    for chunk in range(2):
        texts = [text for row in range(ROWS) for text in captions_of(row)]
        write_latents(tmp_path, f"scenes-{chunk:03d}", 100 * chunk, texts)
    write_latents(tmp_path, "photos-000", 900, ["a lawn"] * PHOTOS)
    return read_pictures(tmp_path, tokenizers)


def test_the_first_chunk_of_scenes_is_held_out(pictures: tuple[Pictures, Pictures]) -> None:
    known, held_out = pictures
    assert len(held_out.latents) == len(held_out.captions) == ROWS * len(OF_A_ROW)
    assert len(known.latents) == len(known.captions) == ROWS * len(OF_A_ROW) + PHOTOS
    assert known.rows == held_out.rows == ROWS
    assert held_out.latents.max() < 100 <= known.latents.min()


def test_sheets_have_the_size_of_their_panels_and_say_so(
    pictures: tuple[Pictures, Pictures],
) -> None:
    seen = set()
    for seed in range(60):
        sheets = draw_sheets(pictures[0], 12, seed, dropout=0.1)
        count, channels, height, width = sheets.latents.shape
        shape = height // 16, width // 16
        assert channels == 4
        assert count == 12 // (shape[0] * shape[1])
        assert sheets.tokens.shape == (2, count, 77)
        assert (
            sheets.time_ids.tolist()
            == [[height * 8, width * 8, 0, 0, height * 8, width * 8]] * count
        )
        seen.add(shape)
    assert seen == set(SHAPES)


def test_each_panel_of_a_sheet_is_one_whole_picture(pictures: tuple[Pictures, Pictures]) -> None:
    for seed in range(20):
        latents = draw_sheets(pictures[0], 12, seed, dropout=0.0).latents
        panels = latents.unfold(2, 16, 16).unfold(3, 16, 16).flatten(4)
        assert torch.equal(panels.amin(dim=(1, 4)), panels.amax(dim=(1, 4)))


def test_sheets_follow_their_seed(pictures: tuple[Pictures, Pictures]) -> None:
    first, again, other = (draw_sheets(pictures[0], 12, seed, 0.5) for seed in (3, 3, 4))
    assert torch.equal(first.latents, again.latents)
    assert torch.equal(first.tokens, again.tokens)
    assert torch.equal(first.is_dropped, again.is_dropped)
    assert not torch.equal(first.tokens, other.tokens)


def test_views_of_a_sheet_are_of_one_row(pictures: tuple[Pictures, Pictures]) -> None:
    """Their prompt names the subject and not the places."""
    known = pictures[0]
    tokenizer, first_view = known.tokenizers[0], OF_A_ROW.index("view")
    found = 0
    for seed in range(40):
        sheets = draw_sheets(known, 12, seed, dropout=0.0)
        for latents, tokens in zip(sheets.latents, sheets.tokens[0], strict=True):
            text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
            if "views of" in text:
                numbers = latents[0, ::16, ::16].flatten().int() - 100
                assert len(set(numbers.tolist())) == len(numbers)
                assert len({n // len(OF_A_ROW) for n in numbers.tolist()}) == 1
                assert all(n % len(OF_A_ROW) >= first_view for n in numbers.tolist())
                assert text.endswith("views of a large red ball")
                found += 1
    assert found > 10


def test_a_row_is_drawn_as_it_is_listed() -> None:
    drawings = draw_row(1)
    assert len(drawings) == len(OF_A_ROW)
    assert all(pixels.shape == (SIDE, SIDE, 3) for pixels, _ in drawings)
    assert all(pixels.dtype == np.uint8 for pixels, _ in drawings)
    captions = dict(zip(OF_A_ROW, (caption for _, caption in drawings), strict=False))
    assert captions["weather"] == f"{captions['scene']} in the rain"
    assert captions["medium"] == f"the depth of {captions['scene']}"
    assert captions["person"].startswith("a person with ")
    assert captions["garment"].endswith(" laid flat")


@pytest.mark.parametrize(
    ("number", "medium"),
    enumerate(["a line drawing of", "the depth of", "the segments of", "a black and white photo"]),
)
def test_scenes_come_in_four_other_media(number: int, medium: str) -> None:
    pixels, caption = draw_medium(SceneRow(SEED, number, (32, 32)))
    assert caption.startswith(medium)
    assert pixels.shape == (32, 32, 3)


def test_a_chunk_that_exists_is_not_drawn_again(tmp_path: Path) -> None:
    drawn: list[int] = []

    def draw(chunk: int) -> list[Drawing]:
        drawn.append(chunk)
        return [(np.full((SIDE, SIDE, 3), 90, np.uint8), "grey")] * 2

    for _ in range(2):
        write_chunk(tmp_path, "scenes", draw, 7)
    assert drawn == [7]
    assert [file.name for file in tmp_path.iterdir()] == ["scenes-007.safetensors"]


def test_a_scene_lies_beside_its_weather_and_its_map_and_nothing_that_the_results_pair_it_with(
    pictures: tuple[Pictures, Pictures],
) -> None:
    known, beside = pictures[0], set()
    for seed in range(200):
        sheets = draw_sheets(known, 12, seed, dropout=0.0)
        for latents, tokens in zip(sheets.latents, sheets.tokens[0], strict=True):
            text = known.tokenizers[0].decode(tokens, skip_special_tokens=True)
            if not text.startswith(("before and after", "two pictures")) or ";" in text:
                continue
            numbers = (latents[0, ::16, ::16].flatten().int() - 100).tolist()
            (row,) = {number // len(OF_A_ROW) for number in numbers}
            beside.add((row, *sorted({OF_A_ROW[number % len(OF_A_ROW)] for number in numbers})))
    weather = {(row, "scene", "weather") for row in range(ROWS)}
    with_a_map = {(1, "medium", "scene"), (2, "medium", "scene")}  # row 0 has a line drawing
    assert beside == weather | with_a_map


def test_prints_of_a_sheet_are_one_picture(pictures: tuple[Pictures, Pictures]) -> None:
    known = pictures[0]
    tokenizer, found = known.tokenizers[0], 0
    for seed in range(40):
        sheets = draw_sheets(known, 12, seed, dropout=0.0)
        for latents, tokens in zip(sheets.latents, sheets.tokens[0], strict=True):
            if "prints of" in tokenizer.decode(tokens, skip_special_tokens=True):
                assert latents.min() == latents.max()
                found += 1
    assert found > 10


def test_every_sheet_has_something_to_draw_in_whole_panels(
    pictures: tuple[Pictures, Pictures],
) -> None:
    shares = []
    for seed in range(40):
        sheets = draw_sheets(pictures[0], 12, seed, dropout=0.0)
        assert sheets.mask.shape == (len(sheets.latents), 1, *sheets.latents.shape[2:])
        panels = sheets.mask.unfold(2, 16, 16).unfold(3, 16, 16).flatten(4)
        assert torch.equal(panels.amin(dim=4), panels.amax(dim=4))
        assert (sheets.mask.amax(dim=(1, 2, 3)) == 1).all()
        if sheets.latents.shape[-2:] == (16, 16):
            assert sheets.mask.min() == 1
        else:
            shares.append(float((sheets.mask.amin(dim=(1, 2, 3)) == 0).float().mean()))
    assert 0.5 < np.mean(shares) < 0.9
