"""Previews are small, and a sheet shows them in a grid, with their targets and their prompts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from onepic.canvas.layout import Layout, target_mask
from onepic.compiler.preview import (
    PREVIEW_SIDE,
    Preview,
    _font,
    _shortened,
    encode_preview,
    write_sheet,
)

LAYOUT = Layout((("grey", "colour"),), width=128, height=128, factor=8)
WHITE, ORANGE = (255, 255, 255), (230, 90, 30)


@pytest.fixture
def preview(picture: Any) -> bytes:
    return encode_preview(np.asarray(picture(*LAYOUT.canvas_size)))


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def sheet_of(
    folder: Path,
    *previews: tuple[bytes, str],
    targets: tuple[str, ...] = ("colour",),
    narrowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """The pixels of a contact sheet, uint8 [H, W, 3]."""
    boxes = [box for target in targets for box in LAYOUT.boxes(target)]
    mask = target_mask(LAYOUT, targets, narrowed)
    shown = [Preview(picture, prompt, boxes, mask) for picture, prompt in previews]
    write_sheet(folder / "canvases.png", shown, LAYOUT.canvas_size[0])
    with Image.open(folder / "canvases.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def is_colour(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (pixels == colour).all(axis=-1)
    return result


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 1024), (384, 384)),
        ((1536, 512), (384, 128)),
        ((512, 1536), (128, 384)),
        ((256, 128), (256, 128)),
        ((384, 384), (384, 384)),
        ((4096, 8), (384, 1)),
    ],
)
def test_a_preview_is_a_webp_of_bounded_size_that_never_grows(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    preview = opened(encode_preview(np.zeros((*size[::-1], 3), np.uint8)))
    assert preview.format == "WEBP"
    assert preview.size == expected
    assert max(preview.size) <= PREVIEW_SIDE


def test_a_preview_looks_like_its_canvas(picture: Any) -> None:
    canvas = picture(768, 768)
    preview = opened(encode_preview(np.asarray(canvas)))
    difference = np.asarray(preview).astype(int) - np.asarray(canvas.reduce(2))
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (7, 3, 3)])
def test_a_sheet_is_a_grid_of_three_columns(
    tmp_path: Path, preview: bytes, count: int, columns: int, rows: int
) -> None:
    height, width, _ = sheet_of(tmp_path, *[(preview, "")] * count).shape
    canvas = LAYOUT.canvas_size
    gap = (width - columns * canvas[0]) / (columns + 1)
    caption = (height - rows * canvas[1] - (rows + 1) * gap) / rows
    assert gap == 12
    assert caption == 22


def test_canvases_stand_in_reading_order(tmp_path: Path) -> None:
    shades = [30 * number for number in range(7)]
    canvases = [np.full((128, 256, 3), shade, np.uint8) for shade in shades]
    sheet = sheet_of(tmp_path, *[(encode_preview(canvas), "") for canvas in canvases])
    centres = [
        (12 + 64 + row * 162, 12 + 64 + column * 268) for row in range(3) for column in range(3)
    ]
    found = [int(sheet[centre][0]) for centre in centres]
    assert found == pytest.approx([*shades, 255, 255], abs=2)


def test_a_frame_stands_around_each_target_and_nothing_else(tmp_path: Path, preview: bytes) -> None:
    sheet = sheet_of(tmp_path, (preview, ""))
    frame = is_colour(sheet[12:140, 12:268], ORANGE)
    inside = np.zeros_like(frame)
    inside[3:125, 128 + 3 : 256 - 3] = True
    expected = np.zeros_like(frame)
    expected[:, 128:] = True
    assert (frame == (expected & ~inside)).all()
    both = is_colour(sheet_of(tmp_path, (preview, ""), targets=("grey", "colour")), ORANGE)
    assert both.sum() == 2 * frame.sum()


def test_of_a_narrowed_target_only_what_is_learned_is_outlined(
    tmp_path: Path, preview: bytes
) -> None:
    narrowed = np.zeros((128, 128), np.bool_)
    narrowed[20:60, 41:128] = True
    sheet = sheet_of(tmp_path, (preview, ""), narrowed=narrowed)
    outline = is_colour(sheet[12:140, 12:268], ORANGE)
    expected = np.zeros_like(outline)
    expected[16:64, 128 + 40 : 256] = True  # whole cells of 8 px
    expected[19:61, 128 + 43 : 256 - 3] = False
    assert (outline == expected).all()


def test_a_smaller_preview_has_its_frame_at_the_same_place(tmp_path: Path) -> None:
    layout = Layout((("a", "b", "c"), ("d", "e", "f")), width=512, height=256, factor=8)
    preview = encode_preview(np.zeros((512, 1536, 3), np.uint8))
    shown = Preview(preview, "", layout.boxes("e"), target_mask(layout, ["e"]))
    write_sheet(tmp_path / "canvases.png", [shown], 1536)
    with Image.open(tmp_path / "canvases.png") as sheet:
        rows, columns = np.nonzero(is_colour(np.asarray(sheet), ORANGE))
    assert (rows.min(), rows.max() + 1) == (12 + 64, 12 + 128)
    assert (columns.min(), columns.max() + 1) == (12 + 128, 12 + 256)


def test_each_prompt_stands_below_its_canvas(tmp_path: Path, preview: bytes) -> None:
    with_prompt = sheet_of(tmp_path, (preview, "a cat"), (preview, ""))
    without = sheet_of(tmp_path, (preview, ""), (preview, ""))
    rows, columns = np.nonzero((with_prompt != without).any(axis=-1))
    assert rows.min() >= 12 + 128
    assert rows.max() < 12 + 128 + 22
    assert columns.min() >= 12
    assert columns.max() < 12 + 256


@pytest.mark.parametrize("prompt", ["a very long prompt " * 50, "a\nprompt\nof\nmany\nlines " * 20])
def test_a_long_prompt_stays_within_its_place(tmp_path: Path, preview: bytes, prompt: str) -> None:
    with_prompt = sheet_of(tmp_path, (preview, prompt))
    assert with_prompt.shape[:2] == (12 + 128 + 22 + 12, 12 + 256 + 12)
    rows, columns = np.nonzero((with_prompt != sheet_of(tmp_path, (preview, ""))).any(axis=-1))
    assert 12 + 128 <= rows.min() < rows.max() < 12 + 128 + 22
    assert columns.max() < 12 + 256


@given(st.text(max_size=60), st.integers(1, 200))
def test_a_text_is_cut_where_it_is_too_long_and_only_there(text: str, width: int) -> None:
    line, shortened = " ".join(text.split()), _shortened(text, width)
    if _font().getlength(line) <= width:
        assert shortened == line
    else:
        assert shortened.endswith("…")
        assert line.startswith(shortened[:-1])
        assert shortened == "…" or _font().getlength(shortened) <= width


def test_a_sheet_of_very_narrow_canvases_can_be_written(tmp_path: Path) -> None:
    preview = encode_preview(np.zeros((4096, 8, 3), np.uint8))
    layout = Layout((("a",), ("b",)), width=8, height=2048, factor=8)
    shown = Preview(preview, "a prompt", layout.boxes("b"), target_mask(layout, ["b"]))
    write_sheet(tmp_path / "canvases.png", [shown], 8)
    with Image.open(tmp_path / "canvases.png") as sheet:
        assert sheet.size == (12 + 1 + 12, 12 + 384 + 22 + 12)
