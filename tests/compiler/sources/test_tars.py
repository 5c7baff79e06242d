from __future__ import annotations

import gzip
import json
import os
import tarfile
from pathlib import Path

import fsspec
import pytest

from onepic.canvas.findings import Finding, attached
from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import WebDatasetSource


def test_members_of_one_name_are_a_row(make_tar, rows_of):
    tar = make_tar("a.tar", {"d/1.jpg": b"one", "d/1.txt": b" a \n", "2.PNG": b"two"})
    rows = rows_of(WebDatasetSource(path=str(tar)), texts=("caption",))
    assert [row.key for row in rows] == ["d/1", "2"]
    assert rows[0].values == {"image": b"one", "caption": "a"}
    assert rows[1].values == {"image": b"two"}


def test_columns_are_found_by_their_names(make_tar, rows_of):
    members = {"1.source.jpg": b"s", "1.mask.png": b"m", "1.style.txt": b"oil"}
    tar = make_tar("a.tar", {**members, "1.json": json.dumps({"year": 1999}).encode()})
    (row,) = rows_of(WebDatasetSource(path=str(tar)), ("source", "mask"), ("style", "year"))
    assert row.values == {"source": b"s", "mask": b"m", "style": "oil", "year": 1999}


def test_columns_may_be_given_by_extension(make_tar, rows_of):
    tar = make_tar("a.tar", {"1.left.jpg": b"l", "1.json": b'{"text": "a cat"}', "1.jpg": b"x"})
    options = {"image": "left.jpg", "caption": "json:text"}
    (row,) = rows_of(WebDatasetSource(path=str(tar), columns=options), texts=("caption",))
    assert row.values == {"image": b"l", "caption": "a cat"}
    with pytest.raises(SourceError, match="json:text is a text"):
        rows_of(WebDatasetSource(path=str(tar), columns=options), ("caption",))


def test_keys_that_tars_repeat_get_the_tars_name(make_tar, rows_of, tmp_path):
    make_tar("a.tar", {"1.png": b"a"})
    make_tar("b.tar", {"1.png": b"b"})
    make_tar("c.tar", {})
    rows = rows_of(WebDatasetSource(path=str(tmp_path)))
    assert [(row.key, row.values["image"]) for row in rows] == [("a/1", b"a"), ("b/1", b"b")]


def test_compressed_tars_in_a_folder_are_refused_and_not_passed_over(make_tar, rows_of, tmp_path):
    make_tar("a.tar", {"1.png": b"a"})
    for name in ("b.tar.gz", "c.tgz", "d.tar.zst"):
        (tmp_path / name).write_bytes(gzip.compress(b"x"))
        with pytest.raises(SourceError, match=rf"{name}: is compressed"):
            rows_of(WebDatasetSource(path=str(tmp_path)))
        (tmp_path / name).unlink()


def test_images_and_texts_have_more_than_one_name(make_tar, rows_of):
    members = {"1.jfif": b"a", "1.caption": b"a cat", "2.ppm": b"b", "2.txt": b"first"}
    tar = make_tar("a.tar", {**members, "2.caption": b"second", "2.style": b"oil"})
    rows = rows_of(WebDatasetSource(path=str(tar)), texts=("caption", "style"))
    assert [row.values["image"] for row in rows] == [b"a", b"b"]
    assert [row.values["caption"] for row in rows] == ["a cat", "first"]
    assert rows[1].values["style"] == "oil"


def test_members_that_no_column_reads_are_counted_by_suffix(make_tar):
    members = {"1.png": b"a", "1.json": b"{}", "2.png": b"b", "2.json": b"{}", "3.x.nef": b"c"}
    tar = make_tar("a.tar", {**members, "LICENSE": b"x"})
    table = WebDatasetSource(path=str(tar)).scan(Columns(("image",)), Path("/"))
    found = {(of.kind, of.about): count.examples for of, count in attached(table).items()}
    assert found == {
        ("passed-over", ".json"): ("1.json", "2.json"),
        ("passed-over", "no suffix"): ("LICENSE",),
        ("unread-pictures", ".nef"): ("3.x.nef",),
    }


def test_of_several_images_for_a_column_it_is_said_which_counts(make_tar):
    members = {"1.jpg": b"a", "1.png": b"b", "2.jpg": b"a", "2.txt": b"x", "2.caption": b"x"}
    source = WebDatasetSource(path=str(make_tar("a.tar", members)))
    columns = Columns(("image",), ("caption",))
    ((finding, count),) = attached(source.scan(columns, Path("/"))).items()
    about = "image: KEY.png counts, KEY.jpg does not"
    assert (finding, count.examples) == (Finding("several-images", about), ("1",))
    chosen = source.model_copy(update={"columns": {"image": "jpg"}})
    assert Finding("several-images", about) not in attached(chosen.scan(columns, Path("/")))


def test_a_link_that_leads_nowhere_rejects_its_row(tmp_path, rows_of):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        link = tarfile.TarInfo("1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "gone.png"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("2.png"))
    bad, good = rows_of(WebDatasetSource(path=str(tmp_path / "a.tar")))
    assert "1.png is a link to gone.png" in bad.error.reason
    assert good.error is None


def test_a_row_without_its_image_is_rejected_and_without_its_text_is_not(make_tar, rows_of):
    tar = make_tar("a.tar", {"1.png": b"a", "2.txt": b"b"})
    first, second = rows_of(WebDatasetSource(path=str(tar)), texts=("caption",))
    assert first.values == {"image": b"a"}
    assert "'image' of 2 is missing; expected one of png" in second.error.reason


def test_two_members_of_one_name_are_rejected(make_tar, rows_of, tmp_path):
    tar = make_tar("a.tar", {"1.png": b"a", "1.PNG": b"b"})
    (row,) = rows_of(WebDatasetSource(path=str(tar)))
    assert "several members are called 1.png" in row.error.reason


def test_broken_json_and_texts_reject_their_rows(make_tar, rows_of):
    members = {"1.png": b"a", "1.json": b"{", "2.png": b"a", "2.json": b"[]"}
    tar = make_tar("a.tar", {**members, "3.png": b"a", "3.caption.txt": b"\xff"})
    rows = rows_of(WebDatasetSource(path=str(tar)), texts=("caption",))
    assert [row.error.stage for row in rows] == ["read"] * 3


def test_a_column_that_no_row_has_is_an_error(make_tar, rows_of):
    tar = make_tar("a.tar", {"1.photo.png": b"a"})
    source = WebDatasetSource(path=str(tar))
    with pytest.raises(SourceError, match=r"no column 'mask'.*mask\.png.*tars hold photo\.png"):
        rows_of(source, ("photo", "mask"))
    with pytest.raises(SourceError, match="no column 'caption'"):
        rows_of(source, ("photo",), ("caption",))
    (row,) = rows_of(source, ("photo",), ("caption",), optional_texts=("caption",))
    assert row.values == {"photo": b"a"}


@pytest.mark.parametrize("keep", [300, 700, 1100, 1600])
def test_a_truncated_tar_is_named(make_tar, rows_of, keep):
    tar = make_tar("a.tar", {"1.png": b"a" * 400, "2.png": b"b" * 400})
    tar.write_bytes(tar.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"a\.tar"):
        rows_of(WebDatasetSource(path=str(tar)))


def test_a_damaged_header_is_named_with_its_place(make_tar, rows_of):
    tar = make_tar("a.tar", {"1.png": b"a" * 400, "2.png": b"b" * 400})
    data = bytearray(tar.read_bytes())
    data[1024:1100] = b"?" * 76
    tar.write_bytes(data)
    with pytest.raises(SourceError, match="damaged at byte 1024"):
        rows_of(WebDatasetSource(path=str(tar)))


def test_compressed_empty_and_missing_tars_are_named(make_tar, rows_of, tmp_path):
    tar = make_tar("a.tar", {"1.png": b"a"})
    tar.write_bytes(gzip.compress(tar.read_bytes()))
    with pytest.raises(SourceError, match="is compressed"):
        rows_of(WebDatasetSource(path=str(tar)))
    tar.write_bytes(b"")
    with pytest.raises(SourceError, match=r"a\.tar: .*empty"):
        rows_of(WebDatasetSource(path=str(tar)))
    with pytest.raises(SourceError, match=r"b\.tar: No such file"):
        rows_of(WebDatasetSource(path=str(tmp_path / "b.tar")))


def test_a_tar_that_shrank_rejects_rows(make_tar):
    tar = make_tar("a.tar", {"1.png": b"a" * 400})
    source, columns = WebDatasetSource(path=str(tar)), Columns(("image",))
    table = source.scan(columns, Path())
    tar.write_bytes(tar.read_bytes()[:600])
    (row,) = source.read(table, columns)
    assert "ends 312 bytes before a member does" in row.error.reason


def test_the_stamp_follows_the_tar_or_with_checksums_the_member(make_tar, stamps_of):
    tar = make_tar("a.tar", {"1.png": b"a", "2.png": b"b"})
    source = WebDatasetSource(path=str(tar))
    exact = source.model_copy(update={"stamp": "checksum"})
    before, before_exact = stamps_of(source), stamps_of(exact)
    assert before["1"] == f"tar={tar.stat().st_size}@{tar.stat().st_mtime_ns} image=512+1"
    make_tar("a.tar", {"1.png": b"a", "2.png": b"c"})
    os.utime(tar, (1, 1))
    after_exact = stamps_of(exact)
    assert stamps_of(source)["1"] != before["1"]
    assert [key for key in after_exact if after_exact[key] != before_exact[key]] == ["2"]


def test_remote_tars_are_read_like_local_ones(make_tar, remote, rows_of):
    memory = fsspec.filesystem("memory")
    for name in ("a", "b"):
        tar = make_tar(f"{name}.tar", {f"{name}.png": name.encode()})
        memory.pipe(f"{remote}/{name}.tar", tar.read_bytes())
    for path in (remote, f"{remote}/*.tar", f"{remote}/{{a,b}}.tar"):
        rows = rows_of(WebDatasetSource(path=path))
        assert [row.values["image"] for row in rows] == [b"a", b"b"]
