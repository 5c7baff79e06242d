"""Dress Code: persons, garments, and masks from the label maps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onepic.canvas.row import Columns, Row
from onepic.common.errors import SourceError
from onepic.compiler.sources import DressCodeSource

CATEGORIES = {"upper_body": 4, "lower_body": 6, "dresses": 7}
LAYOUT = "the layout of Dress Code: in each of upper_body/"


@pytest.fixture
def root(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """Two persons in each category, whose garment fills the left half of the picture."""
    for category, label in CATEGORIES.items():
        folder = tmp_path / category
        for name in ("images", "label_maps", "skeletons"):
            (folder / name).mkdir(parents=True)
        for number in (0, 1):
            for kind in (0, 1):
                picture(16, 16, number + kind).save(folder / f"images/{number:06d}_{kind}.jpg")
            picture(16, 16).save(folder / f"skeletons/{number:06d}_5.jpg")
            write_labels(folder / f"label_maps/{number:06d}_4.png", label)
        paired = [f"{number:06d}_0.jpg\t{number:06d}_1.jpg" for number in (0, 1)]
        (folder / "train_pairs.txt").write_text("\n".join(paired) + "\n")
        (folder / "test_pairs_paired.txt").write_text(paired[1])
        (folder / "test_pairs_unpaired.txt").write_text("000001_0.jpg 000000_1.jpg")
    return tmp_path


def write_labels(path: Path, label: int, mode: str = "P", side: int = 16) -> None:
    labels = np.full((side, side), 2, np.uint8)
    labels[:, : side // 2] = label
    image = Image.fromarray(labels)
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    image.save(path)


def dresscode(root: Path, **options: object) -> DressCodeSource:
    options = {"categories": ["upper_body"], "margin": 0} | options
    return DressCodeSource(path=str(root), **options)


def scan(source: DressCodeSource, *images: str) -> None:
    source.scan(Columns(images), Path("/"))


def mask_of(row: Row) -> np.ndarray:
    assert row.error is None
    assert row.values["garment_mask"].mode == "L"
    return np.asarray(row.values["garment_mask"])


def test_columns_are_files_or_made_of_them(root, rows_of):
    rows = rows_of(dresscode(root), ("person", "garment", "pose"), ("category",))
    assert [row.key for row in rows] == ["upper_body/000000", "upper_body/000001"]
    assert rows[1].values == {
        "person": str(root / "upper_body/images/000001_0.jpg"),
        "garment": str(root / "upper_body/images/000001_1.jpg"),
        "pose": str(root / "upper_body/skeletons/000001_5.jpg"),
        "category": "upper body",
    }


def test_the_mask_is_white_where_the_garment_of_the_category_is_worn(root, rows_of):
    for category in CATEGORIES:
        mask = mask_of(rows_of(dresscode(root, categories=[category]), ("garment_mask",))[0])
        assert (mask[:, :8] == 255).all()
        assert (mask[:, 8:] == 0).all()


@pytest.mark.parametrize("label", [5, 6])
def test_skirts_and_pants_are_lower_garments(root, rows_of, label):
    write_labels(root / "lower_body/label_maps/000000_4.png", label)
    row = rows_of(dresscode(root, categories=["lower_body"]), ("garment_mask",))[0]
    assert mask_of(row).any()


def test_label_maps_may_be_grey_and_smaller_than_the_person(root, rows_of):
    write_labels(root / "upper_body/label_maps/000000_4.png", 4, "L", side=8)
    mask = mask_of(rows_of(dresscode(root), ("garment_mask",))[0])
    assert mask.shape == (16, 16)
    assert (mask[:, :8] == 255).all()
    assert (mask[:, 8:] == 0).all()


def test_the_margin_widens_the_mask(root, rows_of):
    mask = mask_of(rows_of(dresscode(root, margin=0.125), ("garment_mask",))[0])
    assert (mask[:, :10] == 255).all()
    assert (mask[:, 10:] == 0).all()


def test_the_agnostic_person_is_grey_under_the_mask(root, rows_of):
    row = rows_of(dresscode(root), ("person", "agnostic", "garment_mask"))[0]
    with Image.open(row.values["person"]) as person:
        expected = np.where(mask_of(row)[:, :, None] > 0, 128, np.asarray(person))
    assert np.array_equal(np.asarray(row.values["agnostic"]), expected)


def test_a_person_whose_garment_has_no_label_is_rejected(root, rows_of):
    write_labels(root / "upper_body/label_maps/000000_4.png", 7)
    bad, good = rows_of(dresscode(root), ("agnostic",))
    assert good.error is None
    assert bad.error.stage == "mask"
    assert "000000_4.png: no pixel has the label 4 of the garment" in bad.error.reason


def test_a_label_map_that_is_no_such_thing_is_rejected(root, rows_of, picture):
    folder = root / "upper_body/label_maps"
    picture(16, 16).save(folder / "000000_4.png")
    (folder / "000001_4.png").write_bytes(b"text")
    first, second = rows_of(dresscode(root), ("garment_mask",))
    assert "has pixels of the mode RGB; expected one label for each pixel" in first.error.reason
    assert f"{folder}/000001_4.png: cannot be read" in second.error.reason


def test_a_label_map_of_another_shape_is_rejected(root, rows_of):
    labels = Image.fromarray(np.full((16, 32), 4, np.uint8))
    labels.save(root / "upper_body/label_maps/000000_4.png")
    bad, _ = rows_of(dresscode(root), ("garment_mask",))
    assert "has 32x16 px, another shape than its picture's 16x16 px" in bad.error.reason


def test_categories_come_in_the_order_that_is_asked_for(root, stamps_of):
    source = dresscode(root, categories=["dresses", "upper_body"], split="test")
    assert list(stamps_of(source, ("person",))) == ["dresses/000001", "upper_body/000001"]
    everything = DressCodeSource(path=str(root))
    assert len(stamps_of(everything, ("person",))) == 6


def test_test_pairs_may_be_of_another_garment(root, rows_of):
    source = dresscode(root, split="test", paired=False)
    (row,) = rows_of(source, ("person", "garment", "garment_mask"))
    assert row.key == "upper_body/000001+000000_1"
    assert Path(row.values["person"]).name == "000001_0.jpg"
    assert Path(row.values["garment"]).name == "000000_1.jpg"
    with pytest.raises(ValueError, match="only the split test has pairs with another garment"):
        dresscode(root, paired=False)


@pytest.mark.parametrize(
    ("missing", "column"),
    [
        ("", "person"),
        ("upper_body", "person"),
        ("upper_body/images", "garment"),
        ("upper_body/label_maps", "agnostic"),
        ("upper_body/label_maps", "garment_mask"),
        ("upper_body/skeletons", "pose"),
    ],
)
def test_a_missing_folder_is_named_with_the_layout(root, missing, column):
    folder = root / missing if missing else root
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match=LAYOUT) as caught:
        scan(dresscode(root), column)
    assert str(caught.value).startswith(f"{folder}: no such folder")


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("train_pairs.txt", {}),
        ("test_pairs_paired.txt", {"split": "test"}),
        ("test_pairs_unpaired.txt", {"split": "test", "paired": False}),
    ],
)
def test_missing_pairs_are_named_with_the_layout(root, file, options):
    (root / "upper_body" / file).unlink()
    with pytest.raises(SourceError, match=LAYOUT) as caught:
        scan(dresscode(root, **options), "person")
    assert str(caught.value).startswith(f"{root}/upper_body/{file}: no such file")


def test_a_line_that_is_no_pair_is_named_by_file_and_number(root):
    (root / "upper_body/train_pairs.txt").write_text("000000_0.jpg 000000_1.jpg\na b c\n")
    with pytest.raises(SourceError, match="found 'a b c'") as caught:
        scan(dresscode(root), "person")
    assert str(caught.value).startswith(f"{root}/upper_body/train_pairs.txt, line 2: ")


def test_only_what_the_recipe_reads_has_to_be_there(root, rows_of):
    for name in ("label_maps", "skeletons"):
        shutil.rmtree(root / "upper_body" / name)
    assert all(row.error is None for row in rows_of(dresscode(root), ("person", "garment")))


def test_a_missing_label_map_rejects_its_row_only(root, rows_of):
    (root / "upper_body/label_maps/000000_4.png").unlink()
    bad, good = rows_of(dresscode(root), ("agnostic",))
    assert good.error is None
    assert f"no file for 'label_map'; expected {root}/upper_body/label_maps/000000_4" in (
        bad.error.reason
    )


def test_a_mask_is_stale_when_its_label_map_changes(root, stamps_of):
    before = stamps_of(dresscode(root), ("agnostic",))
    write_labels(root / "upper_body/label_maps/000001_4.png", 4, side=32)
    after = stamps_of(dresscode(root), ("agnostic",))
    assert [key for key in before if before[key] != after[key]] == ["upper_body/000001"]
