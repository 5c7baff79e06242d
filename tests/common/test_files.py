"""A folder appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from onepic.common.files import whole_folder


def files_in(folder: Path) -> dict[str, str]:
    """The texts of all files below a folder, by path; a name with a dot in front would be seen."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_a_folder_has_its_name_once_all_is_written(tmp_path):
    with whole_folder(tmp_path / "runs/step-1") as new:
        (new / "state.json").write_text("{}")
        (new / "inner").mkdir()
        (new / "inner/a.txt").write_text("a")
        assert not (tmp_path / "runs/step-1").exists()
    assert files_in(tmp_path) == {"runs/step-1/state.json": "{}", "runs/step-1/inner/a.txt": "a"}


def test_a_folder_replaces_the_one_before_with_all_that_was_in_it(tmp_path):
    for name in ("old", "new"):
        with whole_folder(tmp_path / "unet") as new:
            (new / f"{name}.txt").write_text(name)
    assert files_in(tmp_path) == {"unet/new.txt": "new"}


def test_what_a_killed_process_left_is_no_part_of_a_folder_and_is_removed(tmp_path):
    with whole_folder(tmp_path / "unet") as new:
        (new / "a.txt").write_text("a")
    for left in (new, tmp_path / ".unet.old"):
        left.mkdir()
        (left / "half.txt").write_text("half")
    with whole_folder(tmp_path / "unet") as new:
        (new / "b.txt").write_text("b")
    assert files_in(tmp_path) == {"unet/b.txt": "b"}


def test_a_block_that_fails_leaves_the_folder_before_and_nothing_else(tmp_path, largest_file):
    with whole_folder(tmp_path / "unet") as new:
        (new / "a.txt").write_text("a")
    with (
        largest_file(1000),
        pytest.raises(OSError, match="File too large"),
        whole_folder(tmp_path / "unet") as new,
    ):
        (new / "a.txt").write_text("b" * 5000)
    assert files_in(tmp_path) == {"unet/a.txt": "a"}
