from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import FolderSource


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


def test_images_are_listed_by_relative_path_in_plain_order(folder, rows_of):
    touch(folder, "b.jpg", "a/z.PNG", "B.webp", "a.tiff", "notes.md", "a/x.txt")
    rows = rows_of(FolderSource(path=str(folder)))
    assert [row.key for row in rows] == ["B.webp", "a.tiff", "a/z.PNG", "b.jpg"]
    assert rows[2].values == {"image": str(folder / "a/z.PNG")}


def test_a_relative_path_is_relative_to_the_base(folder):
    touch(folder, "a.png")
    table = FolderSource(path="data").scan(Columns(("image",)), folder.parent)
    assert table["key"].to_pylist() == ["a.png"]


def test_hidden_files_and_folders_are_left_out(folder, stamps_of):
    touch(folder, "a.png", ".b.png", ".cache/c.png")
    assert list(stamps_of(FolderSource(path=str(folder)))) == ["a.png"]


def test_files_that_share_a_stem_are_rows_of_their_own(folder, stamps_of):
    touch(folder, "a.png", "a.jpg")
    assert list(stamps_of(FolderSource(path=str(folder)))) == ["a.jpg", "a.png"]


def test_a_text_beside_an_image_is_its_caption(folder, rows_of):
    touch(folder, "a.png", "b.png")
    (folder / "a.txt").write_text("\ufeff  a düne \n", encoding="utf-8")
    first, second = rows_of(FolderSource(path=str(folder)), texts=("caption",))
    assert first.values["caption"] == "a düne"
    assert second.values["caption"] is None


def test_a_caption_that_is_not_utf8_rejects_its_row_only(folder, rows_of):
    touch(folder, "a.png", "b.png")
    (folder / "a.txt").write_bytes(b"caf\xe9")
    first, second = rows_of(FolderSource(path=str(folder)), texts=("caption",))
    assert first.error.stage == "read"
    assert str(folder / "a.txt") in first.error.reason
    assert second.error is None


def test_links_that_go_round_in_circles_end(folder, stamps_of):
    touch(folder, "a/x.png")
    (folder / "a/again").symlink_to(folder)
    assert list(stamps_of(FolderSource(path=str(folder)))) == ["a/x.png"]


def test_sub_folders_are_matched_by_stem(folder, rows_of):
    touch(folder, "photo/1.jpg", "photo/deep/2.jpg", "mask/1.png", "mask/deep/2.PNG")
    rows = rows_of(FolderSource(path=str(folder)), ("photo", "mask"))
    assert [row.key for row in rows] == ["1", "deep/2"]
    assert rows[1].values == {
        "photo": str(folder / "photo/deep/2.jpg"),
        "mask": str(folder / "mask/deep/2.PNG"),
    }


def test_a_pair_without_its_partner_is_rejected_by_name(folder, rows_of):
    touch(folder, "photo/1.jpg", "photo/2.jpg", "mask/1.png", "mask/3.png")
    whole, no_mask, no_photo = rows_of(FolderSource(path=str(folder)), ("photo", "mask"))
    assert whole.error is None
    assert no_mask.key == "2"
    assert no_mask.error.stage == "read"
    assert f"expected {folder}/mask/2.png, or" in no_mask.error.reason
    assert f"expected {folder}/photo/3.png, or" in no_photo.error.reason


def test_two_files_for_one_cell_are_rejected_naming_both(folder, rows_of, stamps_of):
    touch(folder, "photo/1.jpg", "photo/1.png", "mask/1.png")
    source = FolderSource(path=str(folder))
    (row,) = rows_of(source, ("photo", "mask"))
    assert f"{folder}/photo/1.jpg and {folder}/photo/1.png" in row.error.reason
    before = stamps_of(source, ("photo", "mask"))
    (folder / "photo/1.png").unlink()
    assert stamps_of(source, ("photo", "mask")) != before


def test_sub_folders_may_have_other_names_than_columns(folder, rows_of):
    touch(folder, "inputs/1.jpg", "mask/1.png")
    source = FolderSource(path=str(folder), columns={"photo": "inputs"})
    (row,) = rows_of(source, ("photo", "mask"))
    assert row.values["photo"] == str(folder / "inputs/1.jpg")


def test_texts_come_from_beside_the_images_or_from_sub_folders_of_their_own(folder, rows_of):
    touch(folder, "photo/1.jpg", "mask/1.png", "mask/1.txt", "style/1.txt")
    (row,) = rows_of(FolderSource(path=str(folder)), ("photo", "mask"), ("caption", "style"))
    assert row.values["caption"] == "mask/1.txt"
    assert row.values["style"] == "style/1.txt"


def test_a_text_column_that_is_nowhere_is_an_error_unless_it_has_a_default(folder, rows_of):
    touch(folder, "1.jpg")
    source = FolderSource(path=str(folder))
    with pytest.raises(SourceError, match="no column 'title'"):
        rows_of(source, texts=("title",))
    (row,) = rows_of(source, texts=("title",), optional_texts=("title",))
    assert row.values.get("title") is None


def test_a_missing_sub_folder_is_an_error_with_the_closest_name(folder, rows_of):
    touch(folder, "photo/1.jpg", "masks/1.png")
    with pytest.raises(SourceError, match="column 'mask'; did you mean 'masks'"):
        rows_of(FolderSource(path=str(folder)), ("photo", "mask"))
    with pytest.raises(SourceError, match="no such folder for the column 'mask'"):
        rows_of(FolderSource(path=str(folder), columns={"mask": "msk"}), ("photo", "mask"))


def test_a_folder_without_images_says_what_was_looked_for(folder, rows_of):
    touch(folder, "a.txt", "b.doc")
    with pytest.raises(SourceError, match=r"no images among 2 files.*\.png, \.jpg"):
        rows_of(FolderSource(path=str(folder)))


def test_a_folder_that_is_not_there_is_named(tmp_path, rows_of):
    with pytest.raises(SourceError, match="nowhere: no such folder"):
        rows_of(FolderSource(path=str(tmp_path / "nowhere")))


def test_a_file_name_that_is_not_utf8_is_named(folder, rows_of):
    touch(folder, "a.png")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    with pytest.raises(SourceError, match="not UTF-8"):
        rows_of(FolderSource(path=str(folder)))


def test_the_stamp_follows_image_and_caption(folder, stamps_of):
    touch(folder, "a.png", "b.png", "a.txt")
    source = FolderSource(path=str(folder))
    before = stamps_of(source, texts=("caption",))
    status = (folder / "a.png").stat()
    assert before["a.png"].startswith(f"image={status.st_size}@{status.st_mtime_ns} caption=")
    assert before["b.png"].endswith(" caption=missing")
    (folder / "a.txt").write_text("another caption")
    after = stamps_of(source, texts=("caption",))
    assert after["a.png"] != before["a.png"]
    assert after["b.png"] == before["b.png"]


def test_a_checksum_is_unmoved_by_a_touch(folder, stamps_of):
    touch(folder, "a.png")
    source = FolderSource(path=str(folder), stamp="checksum")
    before = stamps_of(source)
    os.utime(folder / "a.png", (1, 1))
    assert stamps_of(source) == before
    (folder / "a.png").write_bytes(b"other")
    assert stamps_of(source) != before


def test_keys_and_stamps_do_not_depend_on_where_the_folder_lies(folder, stamps_of):
    touch(folder, "photo/1.jpg", "mask/1.png", "mask/2.png")
    before = stamps_of(FolderSource(path=str(folder)), ("photo", "mask"))
    moved = folder.rename(folder.with_name("moved"))
    assert stamps_of(FolderSource(path=str(moved)), ("photo", "mask")) == before


def test_a_remote_folder_gives_urls(remote, rows_of, stamps_of):
    memory = fsspec.filesystem("memory")
    for name, content in {"b.png": b"b", "d/a.png": b"a", "b.txt": b"a b", ".x.png": b""}.items():
        memory.pipe(f"{remote}/{name}", content)
    source = FolderSource(path=remote)
    rows = rows_of(source, texts=("caption",))
    assert [row.key for row in rows] == ["b.png", "d/a.png"]
    assert rows[0].values["caption"] == "a b"
    with fsspec.open(rows[1].values["image"]) as file:
        assert file.read() == b"a"
    before = stamps_of(source)
    memory.pipe(f"{remote}/b.png", b"c")
    after = stamps_of(source)
    assert after["b.png"] != before["b.png"]
    assert after["d/a.png"] == before["d/a.png"]


def test_remote_sub_folders_are_matched_too(remote, rows_of):
    for name in ("photo/1.png", "mask/1.png"):
        fsspec.filesystem("memory").pipe(f"{remote}/{name}", b"x")
    (row,) = rows_of(FolderSource(path=remote), ("photo", "mask"))
    assert row.values["mask"] == f"{remote}/mask/1.png"


def test_a_remote_folder_that_is_not_there_is_named(remote, rows_of):
    with pytest.raises(SourceError, match="nowhere"):
        rows_of(FolderSource(path=f"{remote}/nowhere"))
