"""The table in a folder of images: metadata.csv, .jsonl or .parquet, as ImageFolder has it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onepic.canvas.findings import Count, Finding, attached
from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import FolderSource

ROWS = [{"file_name": "a.png", "text": "a cat"}, {"file_name": "sub/b.png", "text": "a dog"}]
CAPTION = {"texts": ("caption",), "optional_texts": ("caption",)}


def write_csv(folder: Path) -> None:
    lines = ["file_name,text", *(f"{row['file_name']},{row['text']}" for row in ROWS)]
    (folder / "metadata.csv").write_text("\n".join(lines))


def write_jsonl(folder: Path) -> None:
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, ROWS)))


def write_parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "metadata.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "sub/b.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_parquet])
def test_captions_come_from_the_folders_table(write, folder, rows_of):
    write(folder)
    rows = rows_of(FolderSource(path=str(folder)), **CAPTION)
    assert [row.values["caption"] for row in rows] == ["a cat", "a dog"]
    found = Finding("caption-reading", "caption: the folder's metadata table")
    assert [row.findings for row in rows] == [(found,)] * 2


def test_a_text_beside_the_image_counts_before_the_table(folder, rows_of):
    write_csv(folder)
    (folder / "a.txt").write_text("beside")
    row = rows_of(FolderSource(path=str(folder)), **CAPTION)[0]
    assert row.values["caption"] == "beside"
    about = "caption: NAME.txt counts, the folder's metadata table does not"
    assert row.findings == (Finding("several-captions", about),)


def test_the_table_of_the_innermost_folder_counts(folder, rows_of):
    write_csv(folder)
    (folder / "sub/metadata.csv").write_text("file_name,caption\nb.png,from near\n")
    assert rows_of(FolderSource(path=str(folder)), **CAPTION)[1].values["caption"] == "from near"


def test_other_columns_of_the_table_are_texts_as_well(folder, rows_of):
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "style": ["oil", "ink"]}')
    source = FolderSource(path=str(folder))
    rows = rows_of(source, texts=("style",))
    assert [row.values["style"] for row in rows] == [("oil", "ink"), None]
    with pytest.raises(SourceError, match="no column 'title'"):
        rows_of(source, texts=("title",))


@pytest.mark.parametrize("name", ["A.PNG", ".\\\\a.png", "sub/../a.png"])
def test_paths_in_the_table_may_be_spelt_in_another_way(name, folder, rows_of):
    (folder / "metadata.csv").write_text(f"file_name,text\n{name},a cat\n")
    row = rows_of(FolderSource(path=str(folder)), **CAPTION)[0]
    assert row.values["caption"] == "a cat"


def test_of_several_rows_for_an_image_the_first_counts_and_the_others_are_counted(folder, rows_of):
    (folder / "metadata.csv").write_text("file_name,text\na.png,x\na.png,y\na.png,x\n")
    source = FolderSource(path=str(folder))
    assert rows_of(source, **CAPTION)[0].values["caption"] == "x"
    found = attached(source.scan(Columns(("image",), ("caption",)), Path("/")))
    about = "caption: the first row of metadata tables counts, another does not"
    assert found == {Finding("several-captions", about): Count(1, ("a.png",))}


def test_rows_without_an_image_and_tables_without_files_are_counted(folder):
    (folder / "metadata.csv").write_text("file_name,text\ngone.png,x\na.png,y\n")
    (folder / "sub/metadata.csv").write_text("camera,lens\nx,y\n")
    table = FolderSource(path=str(folder)).scan(Columns(("image",), ("caption",)), Path("/"))
    found = {of.kind: count.examples for of, count in attached(table).items()}
    assert found == {
        "orphan-captions": ("gone.png in metadata.csv",),
        "passed-over": ("sub/metadata.csv",),
    }


def test_an_edited_row_changes_the_stamp_of_its_image_alone(folder, stamps_of):
    write_csv(folder)
    source = FolderSource(path=str(folder))
    before = stamps_of(source, texts=("caption",))
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(text.replace("a dog", "a hound"))
    after = stamps_of(source, texts=("caption",))
    assert [key for key in after if after[key] != before[key]] == ["sub/b.png"]


def test_a_table_that_cannot_be_read_is_named(folder, rows_of):
    (folder / "metadata.jsonl").write_text("{")
    with pytest.raises(SourceError, match=r"metadata\.jsonl, line 1"):
        rows_of(FolderSource(path=str(folder)), **CAPTION)
    assert len(rows_of(FolderSource(path=str(folder)))) == 2  # no text of it is wanted
