"""Errors of the operating system say what failed and where; only a full disk asks for room."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from onepic.common.disk import describe_failure, first_make_room, is_full


def failure(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room and "),
        (errno.EDQUOT, "make room and "),
        (errno.EACCES, ""),
        (errno.EIO, ""),
        (errno.EMFILE, ""),
        (errno.EROFS, ""),
    ],
)
def test_room_is_asked_for_where_there_is_none(number: int, advice: str):
    assert first_make_room(failure(number)) == advice


def test_the_file_that_failed_is_named_or_else_the_place():
    place = Path("/data")
    assert describe_failure(failure(errno.EACCES, "/data/a"), place) == "/data/a: Permission denied"
    assert describe_failure(failure(errno.EIO), place) == "/data: Input/output error"
    assert describe_failure(OSError("cannot identify"), place) == "/data: cannot identify"


def test_what_a_library_in_rust_met_is_told_by_its_text(tmp_path: Path, largest_file: Any):
    with largest_file(1000), pytest.raises(SafetensorError) as caught:
        save_file({"x": np.zeros(1000)}, tmp_path / "x.safetensors")
    text = str(caught.value)
    assert f"(os error {errno.EFBIG})" in text, "the number stands elsewhere now"
    assert not is_full(caught.value)
    assert is_full(SafetensorError(text.replace(str(errno.EFBIG), str(errno.ENOSPC))))
