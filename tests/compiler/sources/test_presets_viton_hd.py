"""VITON-HD: persons and garments from the unpacked download."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from onepic.compiler import open_dataset
from onepic.compiler.cli import app
from onepic.compiler.errors import SourceError
from onepic.compiler.sources import Columns, VitonHDSource

FILES = {
    "image": "{}.jpg",
    "cloth": "{}.jpg",
    "agnostic-v3.2": "{}.jpg",
    "agnostic-mask": "{}_mask.png",
    "cloth-mask": "{}.jpg",
    "openpose_img": "{}_rendered.png",
    "image-densepose": "{}.jpg",
    "image-parse-v3": "{}.png",
}
TRY_ON = ("person", "garment", "agnostic", "garment_mask")


@pytest.fixture
def root(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """Three persons to train with and two to test with."""
    for split, numbers in {"train": (0, 1, 2), "test": (7, 8)}.items():
        for number in numbers:
            for folder, name in FILES.items():
                path = tmp_path / split / folder / name.format(f"{number:05d}_00")
                path.parent.mkdir(parents=True, exist_ok=True)
                picture(16, 16, number).save(path)
    pairs = [f"{number:05d}_00.jpg {number:05d}_00.jpg" for number in range(3)]
    (tmp_path / "train_pairs.txt").write_text("\n".join(pairs) + "\n")
    (tmp_path / "test_pairs.txt").write_text("00007_00.jpg 00008_00.jpg\n00008_00.jpg 00007_00.jpg")
    return tmp_path


def viton(root: Path, **options: object) -> VitonHDSource:
    return VitonHDSource(path=str(root), **options)


def scan(source: VitonHDSource, *images: str) -> None:
    source.scan(Columns(images), Path("/"))


def test_columns_are_the_files_of_a_person(root, rows_of):
    rows = rows_of(viton(root), tuple(VitonHDSource.images))
    assert [row.key for row in rows] == ["00000_00", "00001_00", "00002_00"]
    assert rows[1].values == {
        "person": str(root / "train/image/00001_00.jpg"),
        "garment": str(root / "train/cloth/00001_00.jpg"),
        "agnostic": str(root / "train/agnostic-v3.2/00001_00.jpg"),
        "garment_mask": str(root / "train/agnostic-mask/00001_00_mask.png"),
        "garment_silhouette": str(root / "train/cloth-mask/00001_00.jpg"),
        "pose": str(root / "train/openpose_img/00001_00_rendered.png"),
        "densepose": str(root / "train/image-densepose/00001_00.jpg"),
        "person_segments": str(root / "train/image-parse-v3/00001_00.png"),
    }


def test_a_person_gets_its_own_garment_though_the_test_pairs_say_another(root, rows_of):
    rows = rows_of(viton(root, split="test"), TRY_ON)
    for row in rows:
        assert {Path(place).stem[:5] for place in row.values.values()} == {row.key[:5]}


def test_the_pairs_as_they_are_can_be_asked_for(root, rows_of):
    first, _ = rows_of(viton(root, split="test", paired=False), (*TRY_ON, "garment_silhouette"))
    assert first.key == "00007_00+00008_00"
    names = {name: Path(place).stem[:5] for name, place in first.values.items()}
    assert names == dict.fromkeys(("person", "agnostic", "garment_mask"), "00007") | dict.fromkeys(
        ("garment", "garment_silhouette"), "00008"
    )


def test_unpaired_training_is_refused(root):
    with pytest.raises(ValueError, match="only the split test has pairs with another garment"):
        viton(root, paired=False)


def test_a_person_that_is_listed_twice_is_one_row(root, stamps_of):
    (root / "test_pairs.txt").write_text("00007_00.jpg 00008_00.jpg\n00007_00.jpg 00007_00.jpg\n")
    assert list(stamps_of(viton(root, split="test"), TRY_ON)) == ["00007_00"]


def test_only_what_the_recipe_reads_has_to_be_there(root, rows_of):
    for folder in set(FILES) - {"image", "cloth"}:
        shutil.rmtree(root / "train" / folder)
    shutil.rmtree(root / "test")
    assert len(rows_of(viton(root), ("person", "garment"))) == 3


@pytest.mark.parametrize("column", VitonHDSource.images)
def test_a_missing_folder_is_named_with_the_layout(root, column):
    folder = root / "train" / list(FILES)[list(VitonHDSource.images).index(column)]
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="expected the layout of VITON-HD") as caught:
        scan(viton(root), column)
    assert str(caught.value).startswith(f"{folder}: no such folder")


@pytest.mark.parametrize("missing", ["train_pairs.txt", "train", ""])
def test_a_missing_part_of_the_root_is_named_with_the_layout(root, missing):
    path = root / missing if missing else root
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(SourceError, match="the layout of VITON-HD") as caught:
        scan(viton(root), "person")
    assert str(caught.value).startswith(f"{path}: no such ")


def test_a_line_that_is_no_pair_is_named_by_file_and_number(root):
    (root / "train_pairs.txt").write_text("\n00000_00.jpg 00000_00.jpg\n\n00001_00.jpg\n")
    with pytest.raises(SourceError, match=r"found '00001_00\.jpg'") as caught:
        scan(viton(root), "person")
    assert str(caught.value).startswith(f"{root}/train_pairs.txt, line 4: ")


def test_pairs_that_are_empty_or_no_text_are_errors(root):
    (root / "train_pairs.txt").write_text("\n")
    with pytest.raises(SourceError, match=r"train_pairs.txt: has no pairs"):
        scan(viton(root), "person")
    (root / "train_pairs.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(SourceError, match=r"train_pairs.txt: not UTF-8 text \(byte 0\)"):
        scan(viton(root), "person")


def test_a_missing_file_rejects_its_row_only(root, rows_of):
    (root / "train/agnostic-v3.2/00001_00.jpg").unlink()
    rows = rows_of(viton(root), TRY_ON)
    assert [row.error is None for row in rows] == [True, False, True]
    assert rows[1].error.stage == "read"
    expected = f"no file for 'agnostic'; expected {root}/train/agnostic-v3.2/00001_00 with any of"
    assert rows[1].error.reason.startswith(expected)


def test_other_suffixes_and_names_of_folders_are_found(root, rows_of):
    (root / "train/agnostic-v3.2").rename(root / "train/agnostic")
    (root / "train/image/00001_00.jpg").rename(root / "train/image/00001_00.png")
    row = rows_of(viton(root), TRY_ON)[1]
    assert row.values["agnostic"] == str(root / "train/agnostic/00001_00.jpg")
    assert row.values["person"] == str(root / "train/image/00001_00.png")


def test_an_unknown_column_names_those_that_there_are(root):
    with pytest.raises(SourceError, match=r"images: no column 'cloth'; .*known: person, garment"):
        scan(viton(root), "cloth")


def test_texts_have_defaults_only(root, rows_of):
    with pytest.raises(SourceError, match="texts: no column 'caption'"):
        viton(root).scan(Columns(("person",), ("caption",)), Path("/"))
    rows = rows_of(viton(root), ("person",), ("caption",), optional_texts=("caption",))
    assert rows[0].values.keys() == {"person"}


def test_a_row_is_stale_when_a_file_that_it_shows_changes(root, stamps_of):
    before = stamps_of(viton(root), ("person", "garment"))
    Image.new("RGB", (24, 24)).save(root / "train/cloth/00001_00.jpg")
    Image.new("RGB", (24, 24)).save(root / "train/agnostic-v3.2/00002_00.jpg")
    after = stamps_of(viton(root), ("person", "garment"))
    assert [key for key in before if before[key] != after[key]] == ["00001_00"]


def test_checksums_do_not_change_with_the_place_or_the_time(root, stamps_of, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "moved"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    first = stamps_of(viton(root, stamp="checksum"), TRY_ON)
    assert first == stamps_of(viton(copy, stamp="checksum"), TRY_ON)
    Image.new("RGB", (24, 24)).save(copy / "train/cloth/00001_00.jpg")
    assert first != stamps_of(viton(copy, stamp="checksum"), TRY_ON)


def test_a_remote_download_is_read_alike(root, remote, rows_of):
    import fsspec

    fsspec.filesystem("memory").put(f"{root}/", remote.removeprefix("memory:/"), recursive=True)
    rows = rows_of(VitonHDSource(path=remote), TRY_ON)
    assert [row.key for row in rows] == ["00000_00", "00001_00", "00002_00"]
    assert rows[0].values["person"] == f"{remote}/train/image/00000_00.jpg"


def test_a_recipe_compiles_from_the_download_alone(root):
    recipe = {
        "task": "try-on",
        "source": {"kind": "viton-hd", "path": str(root)},
        "panels": {
            "garment": {"from": "garment"},
            "result": {"from": "person"},
            "hidden": {"from": "agnostic"},
        },
        "layout": [["garment", "result", "hidden"]],
        "target": {"panel": "result", "mask": "garment_mask"},
        "align": ["person", "agnostic"],
        "panel_size": {"width": 32, "height": 32},
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    output = root / "data"
    result = CliRunner().invoke(
        app, [str(root / "recipe.yaml"), "--local", "--output", str(output)]
    )
    assert result.exit_code == 0, result.output
    samples = list(open_dataset(output))
    assert len(samples) == 3
    assert samples[0].latents.shape == (4, 4, 12)
