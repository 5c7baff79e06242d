"""What samples share is known by numbers: of groups, of pixels, and of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from onepic.canvas.row import Row
from onepic.canvas.sharing import PLAIN, Origin, Shared
from onepic.compiler.sources import ScenesSource
from onepic.tables.source import group_of

Picture = Callable[..., Image.Image]
HERE = Path("/here")


def shared(origins: dict[str, Origin], *targets: str) -> Shared:
    return Shared.of(None, origins, targets, HERE)


def number(value: str) -> int:
    """The number of a path or URL."""
    return shared({"only": Origin(1, value)}, "only").target_images[1]


def test_equal_pixels_are_one_number_and_others_another(picture: Picture):
    first, again, other = (Origin.of(picture(16, 16, seed), None) for seed in (1, 1, 2))
    assert first == again
    assert first.pixels != other.pixels
    assert -(2**63) <= first.pixels < 2**63


def test_pixels_of_another_shape_are_others():
    row = np.arange(64, dtype=np.uint8).repeat(3)
    wide, high = (Image.fromarray(row.reshape(*shape, 3)) for shape in ((4, 16), (16, 4)))
    assert Origin.of(wide, None) != Origin.of(high, None)


def test_pictures_of_one_colour_have_a_number_that_no_other_picture_has(picture: Picture):
    plain = Image.new("RGB", (40, 40), (9, 8, 7))
    assert Origin.of(plain, "/empty.png") == Origin(PLAIN, None)
    plain.putpixel((17, 17), (9, 8, 8))
    assert Origin.of(plain, None).pixels != PLAIN
    assert Origin.of(picture(40, 40, 0), None).pixels != PLAIN


def test_a_file_is_known_by_its_path_and_bytes_by_what_they_are(picture: Picture):
    image = picture(16, 16, 0)
    for value, other in (("/a.png", "/b.png"), (b"one", b"two")):
        origins = [Origin.of(image, each) for each in (value, value, other)]
        assert origins[0] == origins[1] != origins[2]
        assert len({origin.pixels for origin in origins}) == 1
    assert Origin.of(image, image).value is None


def test_a_path_below_the_recipe_s_folder_counts_from_there():
    moved = Shared.of(None, {"only": Origin(1, "/moved/a.png")}, ["only"], Path("/moved"))
    assert moved.target_images[1] == number("/here/a.png") != number("/moved/a.png")


def test_pixels_of_all_targets_come_first_and_files_after():
    origins = {"a": Origin(1, "/a"), "b": Origin(2, "/b"), "c": Origin(3, None)}
    found = shared(origins, "b", "a")
    assert found.target_images == (2, 1, number("/b"), number("/a"))
    assert found.context_images == (3,)


def test_what_the_target_shows_is_not_said_of_the_context_again():
    origins = {"grey": Origin(1, "/a"), "mask": Origin(5, "/a"), "colour": Origin(1, "/a")}
    found = shared(origins, "colour")
    assert found.target_images == (1, number("/a"))
    assert found.context_images == (5,)


@pytest.mark.parametrize(
    ("value", "group"),
    [("look 7", "look 7"), (7, "7"), (0, "0"), ("", None), (None, None), (float("nan"), None)],
)
def test_the_recipe_s_column_says_what_a_row_belongs_to(value: Any, group: str | None):
    scanned = pa.table({"key": ["a"], "group": ["another"]})
    assert group_of(ScenesSource(group="look"), Row("a", {"look": value}), scanned) == group


@pytest.mark.parametrize(("key", "group"), [("cat/a/01.png", "cat/a"), ("01.png", None)])
def test_the_files_of_a_folder_can_belong_together(key: str, group: str | None):
    assert group_of(ScenesSource(group="folder"), Row(key), pa.table({"key": [key]})) == group


@pytest.mark.parametrize(("columns", "group"), [({"group": ["b"]}, "b"), ({}, None)])
def test_without_such_a_column_the_source_says_it(columns: dict[str, Any], group: str | None):
    assert group_of(ScenesSource(), Row("a"), pa.table({"key": ["a"], **columns})) == group
