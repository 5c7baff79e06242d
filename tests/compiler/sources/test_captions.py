"""Captions as tools and people name them: which is read, and what is said of it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from onepic.canvas.findings import Finding, attached
from onepic.canvas.row import Columns, Row
from onepic.compiler.sources import FolderSource

ACCENT = "café"
CAPTION = {"texts": ("caption",), "optional_texts": ("caption",)}


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[dict[str, str | bytes]], FolderSource]:
    """`folder_of({"a.png": "", "a.txt": "a cat"})` is a folder with these files."""

    def make(files: dict[str, str | bytes]) -> FolderSource:
        for name, content in files.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return FolderSource(path=str(tmp_path / "data"))

    return make


@pytest.fixture
def captions_of(rows_of: Callable[..., list[Row]]) -> Callable[[FolderSource], dict[str, Any]]:
    """`captions_of(source)` is the caption of each row."""
    return lambda source: {row.key: row.values["caption"] for row in rows_of(source, **CAPTION)}


def seen(source: FolderSource, *images: str, texts: tuple[str, ...] = ("caption",)) -> Any:
    """What a scan finds: the counts of each kind by what they are of."""
    table = source.scan(Columns(images or ("image",), texts, texts), Path("/"))
    return {(of.kind, of.about): count for of, count in attached(table).items()}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a.txt", None),
        ("a.TXT", None),
        ("a.caption", "NAME.caption"),
        ("a.jpg.txt", "NAME.SUFFIX.txt"),
        ("a.jpg.caption", "NAME.SUFFIX.caption"),
        ("A.txt", "NAME.txt, its name spelt in another way"),
        ("a .txt", "NAME.txt, its name spelt in another way"),
        ("A.JPG.txt", "NAME.SUFFIX.txt, its name spelt in another way"),
    ],
)
def test_a_text_is_found_under_each_of_its_usual_names(text, form, folder_of, rows_of):
    (row,) = rows_of(folder_of({"a.jpg": "", text: "a cat"}), **CAPTION)
    assert row.values["caption"] == "a cat"
    assert row.findings == ((Finding("caption-reading", f"caption: {form}"),) if form else ())


@pytest.mark.parametrize(("image", "text"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_both_spellings_of_an_accent_are_one_name(image, text, folder_of, captions_of):
    names = (unicodedata.normalize(image, ACCENT), unicodedata.normalize(text, ACCENT))
    source = folder_of({f"{names[0]}.png": "", f"{names[1]}.txt": "coffee"})
    assert captions_of(source) == {f"{names[0]}.png": "coffee"}


@pytest.mark.parametrize("key", ["caption", "text", "prompt"])
def test_a_json_file_may_hold_the_caption_or_anything_else(key, folder_of, captions_of):
    files = {"a.png": "", "a.json": json.dumps({"shapes": [], key: "a cat"})}
    others = {"b.png": "", "b.png.json": "[1, 2]", "c.png": "", "c.json": '{"text": {"x": 1}}'}
    others |= {"d.png": "", "d.json": '{"caption": "", "text": null, "prompt": "a dog"}'}
    said = captions_of(folder_of(files | others))
    assert said == {"a.png": "a cat", "b.png": None, "c.png": None, "d.png": "a dog"}


def test_a_json_file_with_several_captions_gives_all_of_them(folder_of, captions_of):
    source = folder_of({"a.png": "", "a.json": '{"caption": ["a cat", "", "a tabby"]}'})
    assert captions_of(source) == {"a.png": ("a cat", "a tabby")}


def test_broken_json_rejects_its_row_by_name(folder_of, rows_of):
    (row,) = rows_of(folder_of({"a.png": "", "a.json": "{"}), **CAPTION)
    assert row.error.stage == "read"
    assert "a.json: not JSON" in row.error.reason


def test_of_several_texts_the_first_counts_and_those_that_differ_are_named(folder_of, rows_of):
    one = {"a.png": "", "a.json": '{"text": "other"}', "a.caption": "a cat", "a.txt": "a cat"}
    (row,) = rows_of(folder_of(one), **CAPTION)
    assert row.values["caption"] == "a cat"
    about = "caption: NAME.txt counts, NAME.json does not"
    assert row.findings == (Finding("several-captions", about),)


def test_an_empty_text_leaves_the_word_to_the_next(folder_of, rows_of):
    (row,) = rows_of(folder_of({"a.png": "", "a.txt": "\u200b\n", "a.caption": "a cat"}), **CAPTION)
    assert row.values["caption"] == "a cat"
    assert row.findings == (Finding("caption-reading", "caption: NAME.caption"),)


def test_a_name_that_is_another_images_own_is_not_borrowed(folder_of, captions_of):
    source = folder_of({"IMG.jpg": "", "img.jpg": "", "img.txt": "of the small one"})
    assert captions_of(source) == {"IMG.jpg": None, "img.jpg": "of the small one"}


def test_of_aligned_images_the_first_columns_caption_counts(folder_of, rows_of):
    files = {"before/1.png": "", "after/1.png": "", "before/1.txt": "old", "after/1.txt": "new"}
    (row,) = rows_of(folder_of(files), ("before", "after"), **CAPTION)
    assert row.values["caption"] == "old"
    about = "caption: before/NAME.txt counts, after/NAME.txt does not"
    assert row.findings == (Finding("several-captions", about),)


def test_equal_captions_beside_aligned_images_are_no_finding(folder_of, rows_of):
    files = {"before/1.png": "", "after/1.png": "", "before/1.txt": "x", "after/1.txt": " x\n"}
    (row,) = rows_of(folder_of(files), ("before", "after"), **CAPTION)
    assert row.findings == ()


def test_texts_in_a_folder_of_their_own_are_found_by_names_that_are_alike(folder_of, rows_of):
    files = {"before/Case.png": "", "after/Case.png": "", "instruction/case.txt": "do it"}
    (row,) = rows_of(folder_of(files), ("before", "after"), ("instruction",))
    assert row.values["instruction"] == "do it"


def test_texts_without_an_image_are_counted_by_suffix(folder_of):
    lost = {f"lost{number}.txt": "x" for number in range(4)}
    source = folder_of({"a.png": "", "a.txt": "x", "b.caption": "x", "any.json": "{}"} | lost)
    found = seen(source)
    count = found["orphan-captions", ".txt"]
    assert (count.number, count.examples) == (4, ("lost0.txt", "lost1.txt", "lost2.txt"))
    assert found["orphan-captions", ".caption"].number == 1
    assert found["passed-over", ".json"].examples == ("any.json",)


def test_the_stamp_follows_each_of_several_texts(folder_of, stamps_of, tmp_path):
    source = folder_of({"a.png": "", "a.txt": "x", "a.caption": "y"})
    before = stamps_of(source, texts=("caption",))
    (tmp_path / "data/a.caption").write_text("another")
    assert stamps_of(source, texts=("caption",)) != before


def test_remote_texts_are_found_like_local_ones(remote, rows_of):
    memory = fsspec.filesystem("memory")
    for name in ("a.jpg", "b.jpg"):
        memory.pipe(f"{remote}/{name}", b"x")
    memory.pipe(f"{remote}/A.caption", b"a cat")
    memory.pipe(f"{remote}/metadata.csv", b"file_name,text\nb.jpg,a dog\n")
    rows = rows_of(FolderSource(path=remote), **CAPTION)
    assert [row.values["caption"] for row in rows] == ["a cat", "a dog"]
