from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import PhotosSource
from onepic.compiler.sources.photographs import PHOTOGRAPHS
from onepic.compiler.sources.photos import crop_box


def test_a_demo_has_a_few_hundred_rows():
    assert len(PhotosSource().scan(Columns(("image",)), Path())) == 280


def test_rows_are_rgb_crops_with_captions(rows_of):
    rows = rows_of(PhotosSource(crops=2), texts=("caption",))
    assert all(isinstance(row.values["image"], Image.Image) for row in rows)
    assert {row.values["image"].mode for row in rows} == {"RGB"}
    assert rows[0].key == "astronaut/000"
    assert rows[0].values["caption"] == PHOTOGRAPHS[0].caption


def test_the_first_rows_show_different_photographs(rows_of):
    names = [row.key.split("/")[0] for row in rows_of(PhotosSource(crops=2))]
    assert len(set(names[:7])) == 7


def test_training_and_held_out_photographs_have_nothing_in_common(stamps_of):
    train, held_out, every = (
        {key.split("/")[0] for key in stamps_of(PhotosSource(crops=1, split=split))}
        for split in ("train", "held-out", "all")
    )
    assert held_out == {"coffee", "chelsea"}
    assert train | held_out == every
    assert not train & held_out


def test_the_same_seed_gives_the_same_crops_and_another_gives_others():
    columns = Columns(("image",))
    first = PhotosSource(crops=3).scan(columns, Path())
    assert first.equals(PhotosSource(crops=3).scan(columns, Path("/elsewhere")))
    assert not first.equals(PhotosSource(crops=3, seed=1).scan(columns, Path()))


def test_more_crops_keep_the_boxes_of_the_first():
    few = PhotosSource(crops=1).scan(Columns(("image",)), Path())
    assert PhotosSource(crops=2).scan(Columns(("image",)), Path()).slice(0, 7).equals(few)


def test_crops_stay_inside_and_most_are_at_least_256_px_a_side():
    shortest = []
    for number in range(300):
        left, top, right, bottom = crop_box((640, 427), f"0/rocket/{number}")
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 427
        shortest.append(min(right - left, bottom - top))
    assert min(shortest) >= 128
    assert sum(side >= 256 for side in shortest) > 200
    assert len(set(shortest)) > 50


def test_the_stamp_is_that_of_the_photograph(stamps_of):
    stamps = stamps_of(PhotosSource(crops=2))
    size = PHOTOGRAPHS[0].path.stat().st_size
    assert stamps["astronaut/000"].startswith(f"image={size}@")
    assert stamps["astronaut/000"] == stamps["astronaut/001"]
    assert len(stamps_of(PhotosSource(crops=1, stamp="checksum"))["rocket/000"]) == 22


def test_a_column_that_photographs_lack_is_an_error():
    with pytest.raises(SourceError, match=r"no column 'mask'.*known: image, caption"):
        PhotosSource().scan(Columns(("mask",)), Path())
    with pytest.raises(SourceError, match="no column 'title'"):
        PhotosSource().scan(Columns(("image",), ("title",)), Path())


def test_a_text_with_a_default_may_be_lacking(rows_of):
    rows = rows_of(PhotosSource(crops=1), texts=("title",), optional_texts=("title",))
    assert set(rows[0].values) == {"image"}


def test_no_crops_at_all_are_refused():
    with pytest.raises(ValidationError):
        PhotosSource(crops=0)


def test_crops_of_what_shows_the_same_are_a_group():
    rows = PhotosSource(crops=2).scan(Columns(("image",)), Path("/"))
    found = dict(zip(rows["key"].to_pylist(), rows["group"].to_pylist(), strict=True))
    assert found["rocket/000"] == found["rocket/001"] == "rocket"
    assert found["motorcycle_left/000"] == found["motorcycle_right/001"] == "motorcycle"
