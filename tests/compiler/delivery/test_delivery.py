"""A dataset that stays in its folder is where it is to be, and nothing is done to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onepic.common.errors import DatasetError
from onepic.common.report import Silent
from onepic.compiler.delivery.open import open_delivery
from onepic.dataset.index import read_header


def test_a_folder_is_left_as_it_is(finished_project: Any):
    folder, before = finished_project.output, finished_project.files()
    info = json.loads(before["dataset.json"])
    with open_delivery(None, folder, Silent()) as delivery:
        delivery.begin(info, {1}, 3)
        delivery.submit(read_header(folder / "shards/00001.parquet"))
        delivery.join()
        delivery.finish(info)
    assert finished_project.files() == before
    assert (delivery.url, delivery.repository, delivery.sent) == (None, None, 0)
    assert delivery.place == str(folder)


def test_what_is_not_in_the_folder_is_nowhere(tmp_path: Any):
    with (
        open_delivery(None, tmp_path, Silent()) as delivery,
        pytest.raises(DatasetError, match=rf"{tmp_path}/shards/00007\.tar: vanished during"),
    ):
        delivery.read_tar(7, 0, 1)
