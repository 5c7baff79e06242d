"""MagicBrush: edits turn by turn, with masks in black and white."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import MagicBrushSource, SequencesSource

IMAGES = ("image", "edited", "edit_mask")


def turn(session: str, number: int) -> dict[str, str]:
    return {
        "input": f"{session}-{'input' if number == 1 else f'output{number - 1}'}.png",
        "mask": f"{session}-mask{number}.png",
        "output": f"{session}-output{number}.png",
        "instruction": f"edit {session} {number}",
    }


SESSIONS = {"30": [turn("30", 1)], "139": [turn("139", 1), turn("139", 2)]}


@pytest.fixture
def split(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """A session of one turn and one of two, whose masks are erased on the left."""
    split = tmp_path / "train"
    for session, turns in SESSIONS.items():
        folder = split / "images" / session
        folder.mkdir(parents=True)
        for number, files in enumerate(turns):
            picture(16, 16, number).save(folder / files["input"])
            picture(16, 16, number + 1).save(folder / files["output"])
            erased(picture(16, 16, number)).save(folder / files["mask"])
    write(split / "edit_sessions.json", SESSIONS)
    return split


def erased(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image.convert("RGBA")).copy()
    pixels[:, : image.width // 2] = 0
    return Image.fromarray(pixels)


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def magicbrush(split: Path, **options: object) -> MagicBrushSource:
    return MagicBrushSource(path=str(split.parent), split=split.name, **options)


def scan(split: Path, images: tuple[str, ...] = IMAGES, texts: tuple[str, ...] = ()) -> None:
    magicbrush(split).scan(Columns(images, texts), Path("/"))


def test_each_turn_is_a_row_that_begins_where_the_one_before_ended(split, rows_of):
    rows = rows_of(magicbrush(split), ("image", "edited"), ("instruction",))
    assert [row.key for row in rows] == ["30/1", "139/1", "139/2"]
    folder = split / "images/139"
    assert rows[1].values == {
        "image": str(folder / "139-input.png"),
        "edited": str(folder / "139-output1.png"),
        "instruction": "edit 139 1",
    }
    assert rows[2].values["image"] == rows[1].values["edited"]
    assert rows[2].values["edited"] == str(folder / "139-output2.png")


def test_turns_without_sessions_are_read_alike(split, rows_of):
    expected = rows_of(magicbrush(split), IMAGES[:2], ("instruction",))
    (split / "edit_sessions.json").unlink()
    write(split / "edit_turns.json", [turn for turns in SESSIONS.values() for turn in turns])
    assert rows_of(magicbrush(split), IMAGES[:2], ("instruction",)) == expected


def test_the_mask_is_white_where_the_copy_is_erased(split, rows_of):
    for row in rows_of(magicbrush(split), ("edit_mask",)):
        mask = row.values["edit_mask"]
        assert mask.mode == "L"
        assert (np.asarray(mask)[:, :8] == 255).all()
        assert (np.asarray(mask)[:, 8:] == 0).all()


def test_a_mask_in_black_and_white_is_taken_as_it_is(split, rows_of):
    path = split / "images/30/30-mask1.png"
    for mode in ("L", "RGB", "RGBA", "1"):
        Image.new("L", (16, 16), 255).convert(mode).save(path)
        row = rows_of(magicbrush(split), ("edit_mask",))[0]
        assert np.asarray(row.values["edit_mask"]).min() == 255


def test_a_mask_without_transparent_parts_is_read_as_any_mask(split, rows_of):
    path = split / "images/30/30-mask1.png"
    for marked in (1, 100, 255):
        values = np.zeros((16, 16), np.uint8)
        values[:, :8] = marked
        Image.fromarray(values).save(path)
        mask = rows_of(magicbrush(split), ("edit_mask",))[0].values["edit_mask"]
        assert (np.asarray(mask) == np.where(values > 0, 255, 0)).all()


def test_a_picture_of_which_nothing_is_erased_is_no_mask(split, rows_of, picture):
    picture(16, 16).save(split / "images/30/30-mask1.png")
    bad, *good = rows_of(magicbrush(split), IMAGES)
    assert bad.error.stage == "mask"
    assert "30-mask1.png: nothing of it is transparent; it has many colours" in bad.error.reason
    assert all(row.error is None for row in good)


def test_image_and_mask_get_the_size_of_the_edited_one(split, rows_of, picture):
    picture(32, 32).save(split / "images/30/30-output1.png")
    row = rows_of(magicbrush(split), IMAGES)[0]
    assert row.values["image"].size == row.values["edit_mask"].size == (32, 32)
    assert isinstance(rows_of(magicbrush(split), ("image", "edited"))[0].values["image"], str)


def test_a_mask_of_another_shape_is_rejected(split, rows_of, picture):
    picture(32, 16).save(split / "images/30/30-output1.png")
    bad = rows_of(magicbrush(split), IMAGES)[0]
    assert "has 16x16 px, another shape than its picture's 32x16 px" in bad.error.reason


def test_captions_come_from_the_descriptions(split, rows_of):
    write(split / "global_descriptions.json", {"30": {"30-input.png": "a", "30-output1.png": "b"}})
    first, second, _ = rows_of(magicbrush(split), ("image",), ("caption", "edited_caption"))
    assert (first.values["caption"], first.values["edited_caption"]) == ("a", "b")
    assert second.values["caption"] is None


def test_captions_without_descriptions_need_a_default(split, rows_of):
    with pytest.raises(SourceError, match=r"global_descriptions.json: no such file"):
        scan(split, texts=("caption",))
    rows = rows_of(magicbrush(split), ("image",), ("caption",), optional_texts=("caption",))
    assert rows[0].values["caption"] is None


def test_a_session_can_be_a_story(split, rows_of):
    source = SequencesSource(
        of={"kind": "magicbrush", "path": str(split.parent)}, length=2, by="folder"
    )
    row = next(row for row in rows_of(source, ("image.1", "edited.1", "edited.2")) if not row.error)
    stems = [Path(place).stem for place in row.values.values()]
    assert stems == ["139-input", "139-output1", "139-output2"]


@pytest.mark.parametrize("missing", ["", "images"])
def test_a_missing_folder_is_named_with_the_layout(split, missing):
    folder = split / missing if missing else split
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="the layout of MagicBrush") as caught:
        scan(split)
    assert str(caught.value).startswith(f"{folder}: no such folder")


def test_missing_turns_are_named_with_the_layout(split):
    (split / "edit_sessions.json").unlink()
    expected = "has neither edit_sessions.json nor edit_turns.json; expected the layout of Magic"
    with pytest.raises(SourceError, match=expected):
        scan(split)


@pytest.mark.parametrize("text", ["{", '"text"', '{"30": 1}', '[{"output": "a"}]'])
def test_turns_that_cannot_be_read_are_an_error_with_the_file(split, text):
    (split / "edit_sessions.json").write_text(text)
    with pytest.raises(SourceError, match=f"^{split}/edit_sessions.json"):
        scan(split)


def test_descriptions_that_cannot_be_read_are_an_error_with_the_file(split):
    write(split / "global_descriptions.json", ["a"])
    with pytest.raises(SourceError, match="expected descriptions by session and file name"):
        scan(split, texts=("caption",))


def test_a_turn_without_a_mask_is_rejected_where_masks_are_read(split, rows_of):
    write(split / "edit_sessions.json", {"30": [{**turn("30", 1), "mask": None}]})
    (bad,) = rows_of(magicbrush(split), IMAGES)
    assert "edit_sessions.json, session 30, turn 1: no 'mask'; expected the keys" in (
        bad.error.reason
    )
    (good,) = rows_of(magicbrush(split), IMAGES[:2])
    assert good.error is None


@pytest.mark.parametrize("column", IMAGES)
def test_a_missing_image_rejects_its_row_only(split, rows_of, column):
    name = {"image": "input", "edited": "output1", "edit_mask": "mask1"}[column]
    (split / f"images/30/30-{name}.png").unlink()
    bad, *good = rows_of(magicbrush(split), (column,))
    assert f"no file for {column!r}; expected {split}/images/30/30-{name}" in bad.error.reason
    assert all(row.error is None for row in good)


def test_a_row_is_stale_when_its_instruction_changes(split, stamps_of):
    before = stamps_of(magicbrush(split, stamp="checksum"), IMAGES, ("instruction",))
    changed = {**SESSIONS, "30": [{**turn("30", 1), "instruction": "other"}]}
    write(split / "edit_sessions.json", changed)
    after = stamps_of(magicbrush(split, stamp="checksum"), IMAGES, ("instruction",))
    assert [key for key in before if before[key] != after[key]] == ["30/1"]


def test_the_turns_of_a_session_are_a_group(split):
    rows = magicbrush(split).scan(Columns(("image", "edited")), Path("/"))
    assert rows.select(["key", "group"]).to_pylist() == [
        {"key": "30/1", "group": "30"},
        {"key": "139/1", "group": "139"},
        {"key": "139/2", "group": "139"},
    ]
