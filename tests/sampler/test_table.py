"""Tables of inputs, and of what became of them."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onepic.common.errors import RunError, TaskError
from onepic.sampler.table import TableRow, columns_of, read_table, with_files, write_results


@pytest.fixture
def rows_of(tmp_path):
    """`rows_of(text, *inputs)` reads a CSV of this text, and captions in it."""

    def read(text: str | bytes, *inputs: str) -> list[TableRow]:
        path = tmp_path / "inputs.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, inputs or ("grey",), ["caption"])

    return read


def test_a_row_is_its_images_its_texts_and_a_name(rows_of, tmp_path):
    assert rows_of("name,grey,caption,year\nüber uns,a b.png,„a“ cat,1999\n") == [
        TableRow(
            "über uns",
            {"grey": str(tmp_path / "a b.png")},
            {"caption": "„a“ cat"},
        )
    ]


def test_paths_are_relative_to_the_table(rows_of, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    text = "grey\nsub/a.png\n/abs/a.png\n~/a.png\nhttps://example.org/a.png\n~$a.png\nsub\\a.png\n"
    assert [row.images["grey"] for row in rows_of(text)] == [
        str(tmp_path / "sub/a.png"),
        "/abs/a.png",
        "/home/me/a.png",
        "https://example.org/a.png",
        str(tmp_path / "~$a.png"),
        str(tmp_path / "sub/a.png"),
    ]


def test_a_table_in_the_folder_where_the_command_runs_gives_whole_paths(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("grey\na.png\n")
    monkeypatch.chdir(tmp_path)
    assert read_table(Path("t.csv"), ["grey"])[0].images == {"grey": str(tmp_path / "a.png")}


def test_rows_without_a_name_are_numbered(rows_of):
    rows = rows_of("name,grey\n,a\nx,b\n,c\n")
    assert [row.name for row in rows] == ["00000", "x", "00002"]


def test_a_name_may_end_as_the_file_does(rows_of):
    rows = rows_of("name,grey\na.png,a\nb.PNG,b\nv1.5,c\n")
    assert [row.name for row in rows] == ["a", "b", "v1.5"]


def test_what_spreadsheets_write_is_read(rows_of):
    rows = rows_of('\ufeffgrey,caption\r\n"a,1.png","two\nlines"\r\n\r\nb.png,\r\n')
    assert [row.values for row in rows] == [{"caption": "two\nlines"}, {}]
    assert rows[0].images["grey"].endswith("a,1.png")


def test_no_quote_swallows_rows(rows_of):
    rows = rows_of('grey;caption\na.png;"one\nb.png;two\nc.png;three"\n')
    assert [row.values["caption"] for row in rows] == ['"one', "two", 'three"']


ROWS = [
    {"name": "x", "grey": "a.png", "caption": "a cat", "year": 1999},
    {"name": None, "grey": "b.png", "caption": None, "year": 2001},
]


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "parquet", "tsv"])
def test_a_table_of_every_format_is_read(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif suffix == "tsv":
        lines = [ROWS[0], *(row.values() for row in ROWS)]
        path.write_text("".join("\t".join(str(c or "") for c in line) + "\n" for line in lines))
    else:
        path.write_text("\n".join(map(json.dumps, ROWS)))
    assert columns_of(path) == ["name", "grey", "caption", "year"]
    assert read_table(path, ["grey"], ["caption", "year"]) == [
        TableRow("x", {"grey": str(tmp_path / "a.png")}, {"caption": "a cat", "year": "1999"}),
        TableRow("00001", {"grey": str(tmp_path / "b.png")}, {"year": "2001"}),
    ]


def test_of_several_captions_the_first_is_taken(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"grey": "a.png", "caption": ["a cat", "a tabby"]}')
    (row,) = read_table(tmp_path / "t.jsonl", ["grey"], ["caption"])
    assert row.values == {"caption": "a cat"}


def test_columns_that_nothing_asks_for_may_hold_anything(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"grey": "a.png", "vector": [1, 2]}')
    assert read_table(tmp_path / "t.jsonl", ["grey"])[0].values == {}


def test_images_inside_a_table_become_files_and_stay_as_they_are(tmp_path):
    path = tmp_path / "t.parquet"
    rows = [{"name": "x", "grey": {"bytes": b"picture", "path": "a.png"}, "red": "b.png"}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    (row,) = read_table(path, ["grey", "red"])
    images = with_files(row, tmp_path / "out/inputs")
    kept = tmp_path / "out/inputs/grey/x"
    assert images == {"grey": str(kept), "red": str(tmp_path / "b.png")}
    assert kept.read_bytes() == b"picture"
    os.utime(kept, (1, 1))
    assert with_files(row, tmp_path / "out/inputs") == images
    assert kept.stat().st_mtime == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,gray\nx,a\n", "no column 'grey'; did you mean 'gray'"),
        ("grey,caption\na.png,cat,dog,x\n", "line 2: 4 cells .* the header has 2"),
        ("", "the file is empty"),
        ("grey,name\n", "has no rows"),
        ("name,grey\nx,a\ny,\n", "row 2: the column 'grey' holds nothing"),
        ("name,grey\nx\n", "line 2: 1 cells .* the header has 2"),
        ("name,grey\nx,a\nx,b\n", "row 2: the name 'x' is there twice"),
        ("name,grey\nx,a\nx.png,b\n", "row 2: the name 'x' is there twice"),
        ("name,grey\n00001,a\n,b\n", "row 2: the name '00001' is there twice"),
        ("name,grey\na/b,a\n", "row 1: the name 'a/b' is not a file's name"),
        ("name,grey\n..,a\n", r"row 1: the name '\.\.' is not a file's name"),
        ("name,grey\n/x,a\n", "row 1: the name '/x' is not a file's name"),
        (b"grey\n\xff.png\n", "line 2: the byte ff is not UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_with_its_row(rows_of, text, message):
    with pytest.raises(TaskError, match=f"inputs.csv[:,] .*{message}"):
        rows_of(text)


def test_every_input_needs_a_column(rows_of):
    assert rows_of("a,b\n1.png,2.png\n", "a", "b")[0].images.keys() == {"a", "b"}
    with pytest.raises(TaskError, match="no column 'c'"):
        rows_of("a,b\n1.png,2.png\n", "a", "b", "c")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_table_that_is_not_there_is_named(tmp_path, name):
    for read in (columns_of, lambda path: read_table(path, ["grey"])):
        with pytest.raises(TaskError, match=r"missing.csv: no such file|not a table by its suffix"):
            read(tmp_path / name)


def test_results_are_a_csv(tmp_path):
    results = [
        {"name": "a", "status": "done", "picture": "a.png", "reason": ""},
        {"name": "b, ü", "status": "failed", "picture": "", "reason": 'no "image",\nsorry'},
    ]
    path = write_results(tmp_path / "new", results)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == results


def test_results_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(RunError, match=r"results.csv: cannot be written: Is a directory"):
        write_results(tmp_path, [])
