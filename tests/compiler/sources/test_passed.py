"""What is no data in a folder as it comes off phones, storage boxes and training tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest

from onepic.canvas.findings import attached
from onepic.canvas.row import Columns
from onepic.compiler.sources import FolderSource
from onepic.compiler.sources.listing import list_files

NO_DATA = [
    "@eaDir/01.png/SYNOPHOTO_THUMB_M.jpg",
    "photos/@eaDir/x.jpg",
    "$RECYCLE.BIN/20.png",
    "#recycle/20.png",
    ".Trash-1000/files/20.png",
    "System Volume Information/x.png",
    "__MACOSX/thumb.png",
    "lost+found/21.png",
    ".ipynb_checkpoints/01-checkpoint.png",
    ".thumbnails/01.png",
    "._01.png",
]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def seen(path: str, *texts: str) -> dict[tuple[str, str], tuple[int, Any]]:
    table = FolderSource(path=path).scan(Columns(("image",), texts, texts), Path("/"))
    found = attached(table).items()
    return {(of.kind, of.about): (count.number, count.examples) for of, count in found}


@pytest.mark.parametrize("name", NO_DATA)
def test_thumbnails_bins_and_hidden_copies_are_no_data(name, tmp_path, stamps_of):
    touch(tmp_path, "01.png", name)
    assert list(stamps_of(FolderSource(path=str(tmp_path)))) == ["01.png"]


def test_a_remote_folder_leaves_out_the_same(remote, stamps_of):
    for name in ("01.png", "cats/02.png", *NO_DATA):
        fsspec.filesystem("memory").pipe(f"{remote}/{name}", b"x")
    assert list(stamps_of(FolderSource(path=remote))) == ["01.png", "cats/02.png"]
    assert "photos/@eaDir" in list_files(remote).left_out


@pytest.mark.parametrize("name", ["19-masklabel.png", "19-condlabel.PNG"])
def test_masks_of_a_training_tool_are_no_images(name, tmp_path):
    touch(tmp_path, "19.png", name)
    about = "-masklabel and -condlabel of OneTrainer"
    assert seen(str(tmp_path)) == {("passed-over", about): (1, (name,))}


SUFFIXES = ["jfif", "jpe", "JPEG", "apng", "mpo", "ppm", "pgm", "jp2", "heic", "HIF", "jxl", "avif"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_all_formats_that_can_be_read_are_images(suffix, tmp_path, stamps_of):
    touch(tmp_path, f"a.{suffix}")
    assert list(stamps_of(FolderSource(path=str(tmp_path)))) == [f"a.{suffix}"]


def test_files_that_nothing_reads_are_counted_by_suffix(tmp_path):
    names = ("a.png", "b.CR2", "c.cr2", "x/readme.md", "Makefile", "a.txt", "v1.2/LICENSE")
    touch(tmp_path, *names, "@eaDir/a.jpg", "x/@eaDir/b.jpg")
    assert seen(str(tmp_path)) == {
        ("unread-pictures", ".cr2"): (2, ("b.CR2", "c.cr2")),
        ("passed-over", ".md"): (1, ("x/readme.md",)),
        ("passed-over", ".txt"): (1, ("a.txt",)),
        ("passed-over", "no suffix"): (2, ("Makefile", "v1.2/LICENSE")),
        ("passed-over", "folders called @eaDir"): (2, ("@eaDir", "x/@eaDir")),
    }


def test_texts_that_a_recipe_reads_are_not_passed_over(tmp_path):
    touch(tmp_path, "a.png", "a.txt", "style/a.txt")
    assert seen(str(tmp_path), "caption", "style") == {}
