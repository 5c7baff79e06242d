"""VITON-HD: persons and garments from the unpacked download."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from typer.testing import CliRunner

from onepic.canvas.row import Columns, Row
from onepic.common.errors import SourceError
from onepic.compiler import open_dataset
from onepic.compiler.cli import app
from onepic.compiler.sources import VitonHDSource
from onepic.compiler.sources.presets.viton_hd import hidden_part

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
HAIR, UPPER, PANTS, NECK, FACE, LEFT_ARM, RIGHT_ARM = 2, 5, 9, 10, 13, 14, 15


@pytest.fixture
def root(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """Three persons to train with and two to test with."""
    for split, numbers in {"train": (0, 1, 2), "test": (7, 8)}.items():
        for number in numbers:
            for folder, name in FILES.items():
                path = tmp_path / split / folder / name.format(f"{number:05d}_00")
                path.parent.mkdir(parents=True, exist_ok=True)
                (picture(16, 16, number) if folder != "agnostic-mask" else left_half()).save(path)
    pairs = [f"{number:05d}_00.jpg {number:05d}_00.jpg" for number in range(3)]
    (tmp_path / "train_pairs.txt").write_text("\n".join(pairs) + "\n")
    (tmp_path / "test_pairs.txt").write_text("00007_00.jpg 00008_00.jpg\n00008_00.jpg 00007_00.jpg")
    return tmp_path


@pytest.fixture
def parsed(root: Path, picture: Callable[..., Image.Image]) -> Path:
    """The same without agnostic images and masks, as the first release is, with maps of persons."""
    for split in ("train", "test"):
        for folder in ("agnostic-v3.2", "agnostic-mask"):
            shutil.rmtree(root / split / folder)
        (root / split / "image-parse-v3").rename(root / split / "image-parse")
        for path in (root / split / "image").iterdir():
            picture(48, 64, int(path.stem[:5])).save(path)
            save_labels(person_labels(), root / split / f"image-parse/{path.stem}.png")
    return root


def left_half(marked: int = 255) -> Image.Image:
    """A mask of 16 x 16 px."""
    mask = Image.new("L", (16, 16))
    mask.paste(marked, (0, 0, 8, 16))
    return mask


def person_labels() -> np.ndarray:
    """Someone of 48 x 64 px, whose arms do not touch the body, with hair that falls on the vest."""
    labels = np.zeros((64, 48), np.uint8)
    labels[36:60, 18:30] = PANTS
    labels[16:20, 22:26] = NECK
    labels[20:40, 18:30] = UPPER
    labels[20:44, 10:13] = LEFT_ARM
    labels[20:44, 35:38] = RIGHT_ARM
    labels[4:16, 20:28] = FACE
    labels[4:26, 18:20] = HAIR
    return labels


def save_labels(labels: np.ndarray, path: Path, mode: str = "P") -> None:
    image = Image.fromarray(labels)
    if mode == "P":
        image.putpalette([value * 40 % 256 for value in range(256) for _ in range(3)])
    image.save(path)


def mask_of(row: Row) -> np.ndarray:
    assert row.error is None, row.error
    assert row.values["garment_mask"].mode == "L"
    return np.asarray(row.values["garment_mask"]) > 0


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


@pytest.mark.parametrize(
    "column", sorted(VitonHDSource.images.keys() - {"agnostic", "garment_mask"})
)
def test_a_missing_folder_is_named_with_the_layout(root, column):
    folder = root / "train" / list(FILES)[list(VitonHDSource.images).index(column)]
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="expected the layout of VITON-HD") as caught:
        scan(viton(root), column)
    assert str(caught.value).startswith(f"{folder}: no such folder")


def test_a_person_is_hidden_by_its_map_where_there_are_no_agnostic_images(parsed, rows_of):
    row = rows_of(viton(parsed), TRY_ON)[1]
    hidden, labels = mask_of(row), person_labels()
    assert hidden[np.isin(labels, (UPPER, NECK, LEFT_ARM, RIGHT_ARM))].all()
    assert not hidden[np.isin(labels, (HAIR, FACE))].any()
    assert not hidden[44:][labels[44:] == PANTS].any()
    with Image.open(row.values["person"]) as person:
        expected = np.where(hidden[:, :, None], 128, np.asarray(person))
    assert np.array_equal(np.asarray(row.values["agnostic"]), expected)


def test_neither_a_wide_nor_a_long_sleeve_changes_what_is_hidden(parsed, rows_of):
    labels = person_labels()
    labels[20:40, 10:13] = UPPER
    save_labels(labels, parsed / "train/image-parse/00000_00.png")
    labels = person_labels()
    labels[26:40, 15:33] = UPPER
    save_labels(labels, parsed / "train/image-parse/00002_00.png")
    long, as_it_was, wide = map(mask_of, rows_of(viton(parsed), ("garment_mask",)))
    assert np.array_equal(long, as_it_was)
    assert np.array_equal(wide, as_it_was)


def test_a_hem_is_not_where_the_mask_ends(parsed, rows_of):
    row = rows_of(viton(parsed), ("garment_mask",))[0]
    column = mask_of(row)[:, 24]
    assert column[:41].sum() > column[:40].sum()
    assert not column[42:].any()


@pytest.mark.parametrize("garment", [5, 6, 7])
def test_upper_clothes_dresses_and_coats_are_garments(parsed, rows_of, garment):
    labels = person_labels()
    labels[labels == UPPER] = garment
    save_labels(labels, parsed / "train/image-parse/00000_00.png")
    assert mask_of(rows_of(viton(parsed), ("garment_mask",))[0])[30, 24]


def test_maps_may_be_grey_and_of_another_scale(parsed, rows_of):
    labels = person_labels()
    save_labels(labels, parsed / "train/image-parse/00000_00.png", "L")
    larger = labels.repeat(2, 0).repeat(2, 1)
    save_labels(larger, parsed / "train/image-parse/00001_00.png")
    grey, scaled, palette = map(mask_of, rows_of(viton(parsed), ("garment_mask",)))
    assert np.array_equal(grey, palette)
    assert np.array_equal(scaled, palette)


def test_a_map_without_a_garment_or_of_another_kind_rejects_its_row_only(parsed, rows_of, picture):
    folder = parsed / "train/image-parse"
    save_labels(np.full((64, 48), PANTS, np.uint8), folder / "00000_00.png")
    picture(48, 64).save(folder / "00001_00.png")
    bare, coloured, good = rows_of(viton(parsed), ("agnostic",))
    assert bare.error.stage == "mask"
    expected = f"{folder}/00000_00.png: no pixel has the label 5 or 6 or 7 of the garment"
    assert bare.error.reason == expected
    assert "has pixels of the mode RGB; expected one label for each pixel" in coloured.error.reason
    assert good.error is None


def test_what_the_download_has_is_taken_before_anything_is_made(parsed, rows_of, picture):
    masks = parsed / "train/agnostic-mask"
    masks.mkdir()
    published = np.zeros((64, 48), np.uint8)
    published[10:20, 5:15] = 255
    for number in range(3):
        Image.fromarray(published).save(masks / f"{number:05d}_00_mask.png")
    row = rows_of(viton(parsed), TRY_ON)[0]
    assert row.values["garment_mask"] == str(masks / "00000_00_mask.png")
    with Image.open(row.values["person"]) as person:
        expected = np.where(published[:, :, None] > 0, 128, np.asarray(person))
    assert np.array_equal(np.asarray(row.values["agnostic"]), expected)
    folder = parsed / "train/agnostic-v3.2"
    folder.mkdir()
    picture(48, 64).save(folder / "00000_00.jpg")
    row = rows_of(viton(parsed), TRY_ON)[0]
    assert row.values["agnostic"] == str(folder / "00000_00.jpg")


def test_a_published_mask_may_be_saved_in_any_certain_way(root, rows_of):
    shutil.rmtree(root / "train/agnostic-v3.2")
    masks = root / "train/agnostic-mask"
    left_half(1).save(masks / "00001_00_mask.png")
    left_half(255).convert("RGB").save(masks / "00002_00_mask.png")
    rows = rows_of(viton(root), ("person", "agnostic"))
    for row in rows:
        agnostic = np.asarray(row.values["agnostic"])
        assert (agnostic[:, :8] == 128).all()
        with Image.open(row.values["person"]) as person:
            assert (agnostic[:, 8:] == np.asarray(person)[:, 8:]).all()


def test_a_published_mask_that_hides_nothing_or_does_not_say_what_rejects_its_row_only(
    root, rows_of, picture
):
    shutil.rmtree(root / "train/agnostic-v3.2")
    masks = root / "train/agnostic-mask"
    left_half(0).save(masks / "00000_00_mask.png")
    picture(16, 16).save(masks / "00001_00_mask.png")
    empty, unclear, good = rows_of(viton(root), ("person", "agnostic"))
    assert empty.error.stage == unclear.error.stage == "mask"
    assert empty.error.reason == (
        f"{masks}/00000_00_mask.png: is empty; expected a mask that marks a part"
    )
    assert unclear.error.reason.startswith(f"{masks}/00001_00_mask.png: has many colours")
    assert good.error is None


@pytest.mark.parametrize(
    ("column", "folders"),
    [
        ("agnostic", "agnostic-v3.2/, agnostic/, agnostic-mask/, image-parse-v3/, image-parse/"),
        ("garment_mask", "agnostic-mask/, image-parse-v3/, image-parse/"),
    ],
)
def test_a_download_that_hides_nothing_says_what_would_do(parsed, column, folders):
    shutil.rmtree(parsed / "train/image-parse")
    with pytest.raises(SourceError, match="expected the layout of VITON-HD") as caught:
        scan(viton(parsed), column)
    expected = f"{parsed}/train: has none of {folders}, of which '{column}' is taken or made; "
    assert str(caught.value).startswith(expected)


def test_a_made_mask_is_stale_when_the_map_changes_or_a_published_one_comes(parsed, stamps_of):
    before = stamps_of(viton(parsed), TRY_ON)
    save_labels(person_labels()[:, ::-1], parsed / "train/image-parse/00001_00.png", "L")
    after = stamps_of(viton(parsed), TRY_ON)
    assert [key for key in before if before[key] != after[key]] == ["00001_00"]
    (parsed / "train/image").rename(parsed / "train/agnostic")
    shutil.copytree(parsed / "train/agnostic", parsed / "train/image", copy_function=shutil.copy2)
    published = stamps_of(viton(parsed), TRY_ON)
    assert all(published[key] != after[key] for key in after)


@given(arrays(np.uint8, (12, 9), elements=st.integers(0, 19)), st.integers(0, 4))
def test_whatever_a_map_says_the_garment_is_hidden_and_the_head_is_not(labels, margin):
    hidden = np.asarray(hidden_part(labels, margin)) > 0
    assert hidden[np.isin(labels, (5, 6, 7, 10, 14, 15))].all()
    assert not hidden[np.isin(labels, (1, 2, 4, 13))].any()
    if not np.isin(labels, (5, 6, 7, 10, 14, 15)).any():
        assert not hidden.any()


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


@pytest.mark.parametrize("release", ["root", "parsed"])
def test_a_recipe_compiles_from_the_download_alone(release, request):
    root = request.getfixturevalue(release)
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
