from __future__ import annotations

import base64
import json
import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from onepic.canvas.findings import Count, Finding, attached
from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import TableSource
from onepic.tables.mapped import public_keys
from onepic.tables.places import parent, suffix_of

ROWS = [
    {"id": "x", "image": "pictures/000.png", "caption": "a, b\nand c", "year": 1999},
    {"id": "y", "image": "pictures/001.png", "caption": "", "year": 2001},
]
FORMATS = ("csv", "tsv", "jsonl", "ndjson", "parquet")


def write_table(path: Path, rows: list[dict]) -> TableSource:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        mark = "," if path.suffix == ".csv" else "\t"
        lines = [rows[0].keys(), *(row.values() for row in rows)]
        quoted = [mark.join(f'"{"" if c is None else c}"' for c in line) for line in lines]
        path.write_text("\n".join(quoted) + "\n")
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return TableSource(path=str(path))


@pytest.fixture(params=FORMATS)
def path(request, tmp_path, picture_folder):
    picture_folder(2)
    return tmp_path / f"table.{request.param}"


def test_paths_are_relative_to_the_table(path, rows_of):
    rows = rows_of(write_table(path, ROWS), texts=("caption",))
    assert [row.key for row in rows] == ["0", "1"]
    assert rows[0].values["image"] == str(path.parent / "pictures/000.png")
    assert rows[0].values["caption"] == "a, b\nand c"


def test_numbers_may_fill_a_prompt(path, rows_of):
    rows = rows_of(write_table(path, ROWS), texts=("year",))
    assert [str(row.values["year"]) for row in rows] == ["1999", "2001"]


def test_a_column_may_name_the_rows(path, rows_of):
    source = write_table(path, ROWS).model_copy(update={"key": "id"})
    assert [row.key for row in rows_of(source)] == ["x", "y"]


def test_a_key_that_is_there_twice_is_named_with_its_rows(path, rows_of):
    rows = [{"id": name, "image": "a.png"} for name in "abcb"]
    source = write_table(path, rows).model_copy(update={"key": "id"})
    with pytest.raises(SourceError, match=r"key 'b' .* rows 1 and 3"):
        rows_of(source)


def test_an_empty_key_is_an_error(path, rows_of):
    rows = [{"id": "a", "image": "a.png"}, {"id": None, "image": "a.png"}]
    source = write_table(path, rows).model_copy(update={"key": "id"})
    with pytest.raises(SourceError, match="key column 'id' is empty in row 1"):
        rows_of(source)


@pytest.mark.parametrize("wrong", [{"images": ("imag",)}, {"texts": ("imag",)}])
def test_a_missing_column_is_an_error_with_the_closest_name(path, wrong):
    columns = Columns(**{"images": ("image",), **wrong})
    with pytest.raises(SourceError, match=r"no column 'imag'; did you mean 'image'\? known: .*id"):
        write_table(path, ROWS).scan(columns, Path())
    source = write_table(path, ROWS).model_copy(update={"key": "ids"})
    with pytest.raises(SourceError, match="no column 'ids'; did you mean 'id'"):
        source.scan(Columns(("image",)), Path())


def test_a_text_with_a_default_may_be_lacking(path, rows_of):
    rows = rows_of(write_table(path, ROWS), texts=("title",), optional_texts=("title",))
    assert rows[0].error is None
    assert rows[0].values.get("title") is None


def test_an_empty_image_rejects_its_row_by_column(path, rows_of):
    rows = [{"image": "a.png", "mask": "b.png"}, {"image": "a.png", "mask": None}]
    good, bad = rows_of(write_table(path, rows), ("image", "mask"))
    assert good.error is None
    assert bad.error.stage == "read"
    assert "'mask' holds nothing" in bad.error.reason


def test_a_table_without_bytes_or_rows_is_named(path, rows_of):
    path.touch()
    with pytest.raises(SourceError, match=f"{path.name}: the file is empty"):
        rows_of(TableSource(path=str(path)))
    with pytest.raises(SourceError, match="no such file"):
        rows_of(TableSource(path=f"{path.parent}/other{path.suffix}"))


def test_a_broken_table_is_named(path, rows_of):
    path.write_bytes(b"image,caption\n\xff\xfe,1,2\n" if path.suffix == ".csv" else b'{"image":')
    with pytest.raises(SourceError, match=str(path)):
        rows_of(TableSource(path=str(path)))


def test_the_stamp_follows_the_row_and_the_files_that_it_names(path, stamps_of):
    source = write_table(path, ROWS)
    before = stamps_of(source, texts=("caption",))
    status = (path.parent / "pictures/000.png").stat()
    assert before["0"].startswith(f"image={status.st_size}@{status.st_mtime_ns} row=")
    write_table(path, [ROWS[0], {**ROWS[1], "caption": "new"}])
    edited = stamps_of(source, texts=("caption",))
    assert edited["0"] == before["0"]
    assert edited["1"] != before["1"]
    os.utime(path.parent / "pictures/000.png", (1, 1))
    touched = stamps_of(source, texts=("caption",))
    assert touched["0"] != edited["0"]
    assert touched["1"] == edited["1"]


def test_checksums_are_unmoved_by_a_touch(path, stamps_of):
    source = write_table(path, ROWS).model_copy(update={"stamp": "checksum"})
    before = stamps_of(source)
    os.utime(path.parent / "pictures/000.png", (1, 1))
    assert stamps_of(source) == before
    (path.parent / "pictures/000.png").write_bytes(b"other")
    assert stamps_of(source)["0"] != before["0"]


def test_a_file_that_is_not_there_is_stamped_missing(path, stamps_of):
    stamps = stamps_of(write_table(path, [{"image": "nowhere.png"}]))
    assert stamps["0"].startswith("image=missing ")


def test_another_path_is_another_row_even_for_files_alike(path, stamps_of):
    before = stamps_of(write_table(path, [{"image": "a.png"}]))
    assert stamps_of(write_table(path, [{"image": "b.png"}])) != before


def test_a_remote_table_leads_to_remote_images(path, remote, rows_of):
    write_table(path, [{"image": "d/a.png"}, {"image": "/local.png"}])
    memory = fsspec.filesystem("memory")
    memory.pipe(f"{remote}/{path.name}", path.read_bytes())
    rows = rows_of(TableSource(path=f"{remote}/{path.name}"))
    assert [row.values["image"] for row in rows] == [f"{remote}/d/a.png", "/local.png"]


def test_a_csv_line_that_is_not_like_the_others_is_named(tmp_path, rows_of):
    (tmp_path / "t.csv").write_text("image,caption\na.png,x\nb.png,y,z\n")
    with pytest.raises(SourceError, match=r"t\.csv, line 3: 3 cells .* the header has 2"):
        rows_of(TableSource(path=str(tmp_path / "t.csv")))


def test_numbers_in_csv_stay_as_they_are_written(tmp_path, rows_of):
    (tmp_path / "t.csv").write_text("id,image\n007,1\n")
    (row,) = rows_of(TableSource(path=str(tmp_path / "t.csv"), key="id"))
    assert row.key == "007"
    assert row.values["image"] == str(tmp_path / "1")


@pytest.mark.parametrize("line", ['{"image": ', "[1]", '"text"'])
def test_a_line_that_is_no_object_is_named(tmp_path, rows_of, line):
    (tmp_path / "t.jsonl").write_text(f'{{"image": "a.png"}}\n\n{line}\n')
    with pytest.raises(SourceError, match=r"t\.jsonl, line 3: "):
        rows_of(TableSource(path=str(tmp_path / "t.jsonl")))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_several_captions_come_as_several(tmp_path, rows_of, suffix):
    rows = [{"image": "a.png", "caption": ["a cat", "a tabby"]}, {"image": "b.png", "caption": []}]
    several, none = rows_of(write_table(tmp_path / f"t.{suffix}", rows), texts=("caption",))
    assert several.values["caption"] == ("a cat", "a tabby")
    assert not none.values["caption"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_list_of_numbers_where_a_text_should_be_rejects_its_row(tmp_path, rows_of, suffix):
    source = write_table(tmp_path / f"t.{suffix}", [{"image": "a.png", "caption": [1, 2]}])
    (row,) = rows_of(source, texts=("caption",))
    assert "'caption' holds list" in row.error.reason


def test_a_suffix_that_is_no_table_is_an_error(tmp_path, rows_of):
    with pytest.raises(SourceError, match=r"expected one of \.csv"):
        rows_of(TableSource(path=str(tmp_path / "t.xlsx")))


@pytest.fixture
def images_inside(tmp_path, png):
    rows = [
        {"image": {"bytes": png(n), "path": f"{n}.png"}, "raw": png(9 - n), "n": f"number {n}"}
        for n in range(5)
    ]
    rows[3]["image"] = {"bytes": None, "path": "beside.png"}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet", row_group_size=2)
    return TableSource(path=str(tmp_path / "t.parquet"))


def test_parquet_may_hold_bytes_and_structs(images_inside, rows_of, png, tmp_path):
    rows = rows_of(images_inside, ("image", "raw"), ("n",))
    assert [row.values["raw"] for row in rows] == [png(9 - n) for n in range(5)]
    assert rows[4].values["image"] == png(4)
    assert rows[3].values["image"] == str(tmp_path / "beside.png")
    assert rows[2].values["n"] == "number 2"


def test_an_edited_parquet_makes_its_images_new_and_checksums_tell_which(
    images_inside, stamps_of, tmp_path, png
):
    exact = images_inside.model_copy(update={"stamp": "checksum"})
    before, before_exact = stamps_of(images_inside), stamps_of(exact)
    rows = pq.read_table(tmp_path / "t.parquet").to_pylist()
    rows[0]["image"]["bytes"] = png(77)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet", row_group_size=2)
    after, after_exact = stamps_of(images_inside), stamps_of(exact)
    assert all(after[key] != before[key] for key in after)
    assert [key for key in after_exact if after_exact[key] != before_exact[key]] == ["0"]


def test_an_edited_parquet_is_read_as_it_is_now(images_inside, rows_of, tmp_path):
    rows_of(images_inside, ("raw",))
    pq.write_table(pa.table({"raw": [b"new"]}), tmp_path / "t.parquet")
    (row,) = rows_of(images_inside, ("raw",))
    assert row.values["raw"] == b"new"


def test_a_parquet_that_is_gone_rejects_rows(images_inside, tmp_path):
    columns = Columns(("raw",))
    table = images_inside.scan(columns, Path())
    (tmp_path / "t.parquet").unlink()
    rows = list(images_inside.read(table, columns))
    assert len(rows) == 5
    assert "row group 0, row 0 cannot be read" in rows[0].error.reason


def test_numbers_are_no_images(tmp_path, rows_of):
    pq.write_table(pa.table({"image": [1]}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="'image' holds int64; expected paths"):
        rows_of(TableSource(path=str(tmp_path / "t.parquet")))


def test_columns_are_listed_in_their_order(path):
    assert write_table(path, ROWS).column_names(Path()) == ["id", "image", "caption", "year"]


def test_places_are_read_as_people_write_them(path, rows_of, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    places = ["pictures\\000.png", "~/pictures/000.png", " pictures/000.png "]
    places.append((path.parent / "pictures/000.png").as_uri().replace("000", "%3000"))
    rows = rows_of(write_table(path, [{"image": place} for place in places]))
    assert {row.values["image"] for row in rows} == {str(path.parent / "pictures/000.png")}


@pytest.mark.parametrize("start", ["", "data:image/png;base64,"])
def test_an_image_may_stand_in_its_cell(path, rows_of, stamps_of, png, start):
    cells = [start + base64.b64encode(png(n)).decode() for n in range(2)]
    source = write_table(path, [{"image": cell} for cell in cells])
    assert [row.values["image"] for row in rows_of(source)] == [png(0), png(1)]
    stamps = stamps_of(source)
    write_table(path, [{"image": cells[0]}, {"image": cells[0]}])
    assert stamps_of(source)["0"] == stamps["0"]
    assert stamps_of(source)["1"] != stamps["1"]


def test_an_image_in_a_cell_that_is_no_image_is_not_printed_whole(path, rows_of, png):
    cells = ["x" * 20_000, base64.b64encode(png(0)).decode()[:-3] + "!"]
    rows = rows_of(write_table(path, [{"image": cell} for cell in cells]))
    assert "20000 characters that begin with 'xxx" in rows[0].error.reason
    assert "base64" in rows[1].error.reason
    assert max(len(row.error.reason) for row in rows) < 200


def test_a_key_with_two_values_rejects_its_row(tmp_path, rows_of):
    lines = ['{"image": "a.png", "image": "b.png"}', '{"image": "a.png", "image": "a.png"}']
    (tmp_path / "t.jsonl").write_text("\n".join([*lines, '{"image": "a.png", "x": 1, "x": 2}']))
    twice, same, unread = rows_of(TableSource(path=str(tmp_path / "t.jsonl")))
    assert "the key 'image' is there twice, with two values" in twice.error.reason
    assert same.error is None
    assert unread.error is None


def test_a_list_of_objects_is_named_without_printing_it(tmp_path, rows_of):
    (tmp_path / "t.jsonl").write_text(json.dumps([{"image": "a.png"}] * 8))
    with pytest.raises(SourceError, match=r"line 1: expected .* each line, found a list of 8"):
        rows_of(TableSource(path=str(tmp_path / "t.jsonl")))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_json_lines_may_begin_with_a_mark(tmp_path, rows_of, encoding):
    text = json.dumps({"image": "ü.png"}, ensure_ascii=False)
    (tmp_path / "t.jsonl").write_bytes(f"{text}\n{text}\n".encode(encoding))
    rows = rows_of(TableSource(path=str(tmp_path / "t.jsonl")))
    assert [row.values["image"] for row in rows] == [str(tmp_path / "ü.png")] * 2


def test_the_encoding_of_json_lines_can_be_said(tmp_path, rows_of):
    (tmp_path / "t.jsonl").write_bytes('{"image": "ü.png"}\n'.encode("cp1252"))
    with pytest.raises(SourceError, match="line 1: the byte fc is not UTF-8"):
        rows_of(TableSource(path=str(tmp_path / "t.jsonl")))
    (row,) = rows_of(TableSource(path=str(tmp_path / "t.jsonl"), encoding="cp1252"))
    assert row.values["image"] == str(tmp_path / "ü.png")


@pytest.mark.parametrize("kind", [pa.string_view(), pa.large_string(), pa.string()])
def test_parquet_texts_of_every_kind_are_read(tmp_path, rows_of, kind):
    for column in (pa.array(["a.png"], kind), pa.array(["a.png"]).dictionary_encode()):
        pq.write_table(pa.table({"image": column, "caption": column}), tmp_path / "t.parquet")
        (row,) = rows_of(TableSource(path=str(tmp_path / "t.parquet")), texts=("caption",))
        assert row.values == {"image": str(tmp_path / "a.png"), "caption": "a.png"}


@pytest.mark.parametrize("kind", [pa.binary_view(), pa.large_binary(), pa.binary()])
def test_parquet_bytes_of_every_kind_are_read(tmp_path, rows_of, kind, png):
    columns = {"image": pa.array([png(0)], kind), "caption": pa.array([b"caf\xc3\xa9"], kind)}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    (row,) = rows_of(TableSource(path=str(tmp_path / "t.parquet")), texts=("caption",))
    assert row.values == {"image": png(0), "caption": "café"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+2"), "100"),
        (Decimal("1.50"), "1.50"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05"),
    ],
)
def test_dates_and_decimals_are_texts(tmp_path, rows_of, value, text):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": ["a.png"], "caption": [value]}), path)
    (row,) = rows_of(TableSource(path=str(path), key="caption"), texts=("caption",))
    assert row.values["caption"] == row.key == text


def test_what_was_found_of_a_table_comes_with_its_rows(tmp_path):
    (tmp_path / "t.csv").write_text('image;caption\na.png;"one\ntwo"\n')
    table = TableSource(path=str(tmp_path / "t.csv")).scan(Columns(("image",)), tmp_path)
    assert attached(table) == {
        Finding("table-lines", "t.csv"): Count(1, ("line 2",)),
        Finding("table-reading", "t.csv: ';' divides the cells"): Count(1, ("t.csv",)),
    }


@pytest.mark.parametrize(
    ("suffix", "key", "value"),
    [("jsonl", "delimiter", ";"), ("parquet", "quoting", "none"), ("parquet", "encoding", "utf-8")],
)
def test_a_key_that_means_nothing_for_a_table_is_refused(tmp_path, suffix, key, value):
    source = write_table(tmp_path / f"t.{suffix}", ROWS).model_copy(update={key: value})
    with pytest.raises(SourceError, match=f"{key} is for .*; remove it from the source"):
        source.scan(Columns(("image",)), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("encoding", "utf8000"), ("encoding", "hex"), ("delimiter", "::"), ("quoting", "single")],
)
def test_a_key_of_no_meaning_is_refused_at_once(key, value):
    with pytest.raises(ValidationError, match=key):
        TableSource.model_validate({"path": "t.csv", key: value})


def test_rows_whose_images_are_signed_anew_keep_their_stamps(path, stamps_of):
    def stamps(*queries: str) -> list[str]:
        rows = [{"image": f"https://host/{n}.png{query}"} for n, query in enumerate(queries)]
        return list(stamps_of(write_table(path, rows)).values())

    first = stamps("?sig=one", "?id=1&sig=one")
    assert stamps("?sig=two&se=2030", "?id=1&sig=two") == first
    assert stamps("", "?id=1") == first
    one, other = stamps("?sig=one", "?id=2&sig=one")
    assert one == first[0]
    assert other != first[1]


def test_a_table_may_lie_behind_a_query():
    place = "https://me:secret@host/a/rows.csv?sig=x/y.png#z"
    assert suffix_of(place) == "csv"
    assert parent(place) == "https://me:secret@host/a"
    assert suffix_of("s3://bucket/00?.tar") == "tar"


def test_keys_that_are_addresses_lose_what_opens_them_and_stay_apart():
    places = ["https://me:secret@host/a?id=1&sig=s", "https://host/a?id=2&sig=s", "b.png?sig=c"]
    kept = public_keys(pa.table({"key": places, "stamp": ["", "", ""]}))["key"].to_pylist()
    assert len(set(kept)) == 3
    assert kept[2] == "b.png?sig=c"
    assert all(key.startswith("https://host/a#") for key in kept[:2])
    assert public_keys(pa.table({"key": kept}))["key"].to_pylist() == kept


def test_keys_that_only_a_signature_tells_apart_are_refused():
    with pytest.raises(SourceError, match=r"without what signs.*'https://host/a' is there more"):
        public_keys(pa.table({"key": ["https://host/a?sig=1", "https://host/a?sig=2"]}))
