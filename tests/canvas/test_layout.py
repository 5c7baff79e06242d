"""Panels tile the canvas, in pixels and in latents alike, and the mask is the target's part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from onepic.canvas.layout import (
    Box,
    Layout,
    assemble_latents,
    assemble_pixels,
    cells_touched,
    target_mask,
)

EDITING = Layout((("edges", "photo"), ("edges", "result")), width=16, height=8, factor=8)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Grids of up to 3 x 4 cells, with panels that appear once or more."""
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    row = st.lists(st.sampled_from("abcd"), min_size=columns, max_size=columns).map(tuple)
    factor = draw(st.sampled_from([1, 2, 4, 8]))
    return Layout(
        rows=tuple(draw(st.lists(row, min_size=rows, max_size=rows))),
        width=factor * draw(st.integers(1, 5)),
        height=factor * draw(st.integers(1, 5)),
        factor=factor,
    )


def counted(layout: Layout, panels: Any) -> NDArray[np.int_]:
    """[H, W] px: how many of the panels' boxes cover each pixel."""
    width, height = layout.canvas_size
    count = np.zeros((height, width), int)
    for panel in panels:
        for box in layout.boxes(panel):
            count[box.slices] += 1
    return count


def in_pixels(cells: NDArray[Any], factor: int) -> NDArray[Any]:
    """[h, w] cells to [h * factor, w * factor] px."""
    return cells.repeat(factor, axis=0).repeat(factor, axis=1)


@given(layouts())
def test_the_panels_cover_every_pixel_exactly_once(layout: Layout) -> None:
    assert (counted(layout, layout.panels) == 1).all()


@given(layouts())
def test_latent_boxes_are_pixel_boxes_divided_by_the_factor(layout: Layout) -> None:
    factor = layout.factor
    for _, box in layout.cells():
        scaled = [side * factor for side in box.divided(factor).as_list()]
        assert scaled == box.as_list()
    assert tuple(side * factor for side in layout.latent_size) == layout.canvas_size


@given(layouts())
def test_cells_come_in_reading_order(layout: Layout) -> None:
    names = [name for name, _ in layout.cells()]
    assert names == [name for row in layout.rows for name in row]
    corners = [(box.top, box.left) for _, box in layout.cells()]
    assert corners == sorted(corners)
    assert set(layout.panels) == set(names)


def test_a_canvas_looks_like_its_rows() -> None:
    assert EDITING.canvas_size == (32, 16)
    assert EDITING.latent_size == (4, 2)
    assert EDITING.panels == ("edges", "photo", "result")
    assert EDITING.boxes("edges") == [Box(0, 0, 16, 8), Box(0, 8, 16, 8)]
    assert EDITING.boxes("result") == [Box(16, 8, 16, 8)]
    assert EDITING.boxes("nothing") == []


@given(layouts())
def test_each_panels_pixels_are_in_its_boxes_and_nowhere_else(layout: Layout) -> None:
    shape = (layout.height, layout.width, 3)
    rng = np.random.default_rng(0)
    panels = {name: rng.integers(0, 256, shape, np.uint8) for name in layout.panels}
    canvas = assemble_pixels(layout, panels)
    assert canvas.shape == (*layout.canvas_size[::-1], 3)
    assert canvas.dtype == np.uint8
    for name, box in layout.cells():
        assert (canvas[box.slices] == panels[name]).all()


@given(layouts())
def test_each_panels_latents_are_in_its_boxes_and_nowhere_else(layout: Layout) -> None:
    factor = layout.factor
    shape = (4, layout.height // factor, layout.width // factor)
    rng = np.random.default_rng(0)
    panels = {name: rng.normal(size=shape).astype(np.float16) for name in layout.panels}
    canvas = assemble_latents(layout, panels)
    assert canvas.shape == (4, *layout.latent_size[::-1])
    assert canvas.dtype == np.float16
    for name, box in layout.cells():
        rows, columns = box.divided(factor).slices
        assert (canvas[:, rows, columns] == panels[name]).all()


@given(layouts(), st.data())
def test_the_mask_is_the_targets_boxes_in_latent_cells(layout: Layout, data: st.DataObject) -> None:
    targets = data.draw(st.lists(st.sampled_from(layout.panels), unique=True))
    mask = target_mask(layout, targets)
    assert mask.shape == (1, *layout.latent_size[::-1])
    assert mask.dtype == np.uint8
    pixels = counted(layout, targets)
    assert (in_pixels(mask[0], layout.factor) == pixels).all()
    assert int(mask.sum()) * layout.factor**2 == int(pixels.sum())


@given(layouts(), st.data())
def test_a_narrowed_mask_marks_a_cell_if_any_of_its_pixels_is_set(
    layout: Layout, data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(layout.panels))
    pixel = st.tuples(st.integers(0, layout.height - 1), st.integers(0, layout.width - 1))
    marked = data.draw(st.lists(pixel, max_size=4))
    narrowed = np.zeros((layout.height, layout.width), bool)
    for row, column in marked:
        narrowed[row, column] = True
    cells = {(row // layout.factor, column // layout.factor) for row, column in marked}
    mask = target_mask(layout, [target], narrowed)
    boxes = [box.divided(layout.factor) for box in layout.boxes(target)]
    expected = {(box.top + row, box.left + column) for box in boxes for row, column in cells}
    assert {(int(row), int(column)) for row, column in np.argwhere(mask[0])} == expected
    assert set(np.unique(mask)) <= {0, 1}


def test_a_mask_that_is_all_white_narrows_nothing() -> None:
    everything = np.ones((8, 16), bool)
    assert (target_mask(EDITING, ["result"], everything) == target_mask(EDITING, ["result"])).all()


@pytest.mark.parametrize(("pixel", "cell"), [((0, 0), (0, 0)), ((7, 8), (0, 1)), ((15, 7), (1, 0))])
def test_one_pixel_touches_one_cell(pixel: tuple[int, int], cell: tuple[int, int]) -> None:
    mask = np.zeros((16, 24), bool)
    mask[pixel] = True
    assert np.argwhere(cells_touched(mask, 8)).tolist() == [list(cell)]
