"""Pairs whose names are alike, and pairs that only look so."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from onepic.canvas.findings import Finding
from onepic.compiler.sources import FolderSource
from onepic.compiler.sources.listing import Listing
from onepic.compiler.sources.matching import match_folders


def matches(before: list[str], after: list[str]) -> dict[str, str | None]:
    """What is wrong with each row, by its key."""
    listings = {"before": Listing("/b", sorted(before)), "after": Listing("/a", sorted(after))}
    return {match.key: match.error for match in match_folders(listings)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Case.JPG", "case.jpg"),
        (unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é.png")),
        ("Cats/1.png", "cats/1.png"),
        ("1 .png", "1.png"),
    ],
)
def test_names_that_are_alike_belong_together(before, after):
    assert matches([before], [after]) == {before.rpartition(".")[0]: None}


def test_equal_names_go_before_names_that_are_alike():
    found = matches(["A.png", "a.png"], ["a.png"])
    assert found["a"] is None
    assert "no file for the column 'after'" in found["A"]


def test_what_is_alike_to_several_is_not_guessed():
    found = matches(["IMG.png"], ["Img.png", "img.png"])
    assert set(found) == {"IMG", "Img", "img"}
    assert all(found.values())


def test_a_role_in_a_name_is_pointed_out_and_not_guessed():
    found = matches(["s_input.png", "other.png"], ["s_target.png", "more.png"])
    assert "; s_target is called nearly so: name them alike" in found["s_input"]
    assert "; s_input is called nearly so: name them alike" in found["s_target"]
    assert "nearly" not in found["other"]


def test_pairs_that_were_joined_by_names_alike_are_counted(tmp_path: Path, rows_of):
    for name in ("before/A.png", "after/a.png", "before/x/b.png", "after/x/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    joined, plain = rows_of(FolderSource(path=str(tmp_path)), ("before", "after"))
    assert (joined.key, joined.findings) == ("A", (Finding("paired-names", "images"),))
    assert (plain.key, plain.findings) == ("x/b", ())
