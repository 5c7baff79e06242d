"""Places of images as people write them."""

from __future__ import annotations

import pytest

from onepic.tables.written_place import place_in


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("images/0.png", "/table/images/0.png"),
        ("images/ü b.png", "/table/images/ü b.png"),
        ("./0.png", "/table/./0.png"),
        ("/abs/0.png", "/abs/0.png"),
        (" images/0.png\r", "/table/images/0.png"),
        (r"images\sub\0.png", "/table/images/sub/0.png"),
        (r"\\server\share\0.png", "//server/share/0.png"),
        (r"C:\images\0.png", "C:/images/0.png"),
        ("~/0.png", "/home/me/0.png"),
        (r"~\0.png", "/home/me/0.png"),
        ("~$0.png", "/table/~$0.png"),
        ("file:///a%20b/%C3%BC.png", "/a b/ü.png"),
        ("file://localhost/a/0.png", "/a/0.png"),
        ("file:///a?b.png", "/a?b.png"),
        ("s3://bucket/a%20b.png", "s3://bucket/a%20b.png"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("no suffix", "/table/no suffix"),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_a_place_is_what_its_writer_meant(text, place, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert place_in("/table", text) == place
    assert place_in("/", place) in (place, "/" + place.lstrip("/"))


def test_a_file_with_a_backslash_in_its_name_is_found(tmp_path):
    (tmp_path / r"images\0.png").touch()
    assert place_in(str(tmp_path), r"images\0.png") == rf"{tmp_path}/images\0.png"


def test_a_remote_table_has_remote_places():
    assert place_in("s3://bucket/t/", r"images\0.png") == "s3://bucket/t/images/0.png"
