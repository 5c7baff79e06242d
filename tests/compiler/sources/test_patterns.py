"""Which files a path means."""

from __future__ import annotations

import re

import pytest

from onepic.common.errors import SourceError
from onepic.compiler.sources.patterns import expand

TARS = re.compile(r".*\.tar")


def find(path: object) -> list[str]:
    return expand(str(path), TARS, "files ending in .tar")


@pytest.fixture
def tars(tmp_path):
    for number in range(3):
        (tmp_path / f"s-{number:03d}.tar").touch()
    (tmp_path / "notes.md").touch()
    return [str(tmp_path / f"s-{number:03d}.tar") for number in range(3)]


def test_files_are_found_by_folder_glob_and_braces(tars, tmp_path):
    assert find(tars[0]) == tars[:1]
    assert find(tmp_path) == tars
    assert find(f"{tmp_path}/s-*.tar") == tars
    assert find(f"{tmp_path}/s-{{000..002}}.tar") == tars
    assert find(f"{tmp_path}/s-00{{2,0}}.tar") == [tars[2], tars[0]]


def test_where_there_is_none_the_message_says_what_was_expected(tars, tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (f"{tmp_path}/x-*.tar", tmp_path / "empty"):
        with pytest.raises(SourceError, match=r"none there; expected files ending in \.tar"):
            find(path)
