"""dataset.json is read as it was written, and one that lacks something says what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from onepic.canvas.findings import Count, Finding
from onepic.canvas.layout import Layout
from onepic.common.errors import DatasetError
from onepic.dataset.info import DatasetInfo, read_finished_info, read_info
from tests.datasets import RECIPE, make_info

FROZEN = Path(__file__).parents[1] / "frozen/dataset"
#: What datasets from before there were filters, findings and checksums lack.
LATER = ("filters", "findings", "checksums", "checksum", "totals.dropped", "model.shift_factor")


def changed(**changes: Any) -> dict[str, Any]:
    """The data of a dataset.json with keys, such as ``model.factor``, changed or, by None, gone."""
    data = json.loads(make_info(findings=[], checksums={}, checksum="c").to_json())
    for path, value in changes.items():
        *outer, key = path.split(".")
        place = data
        for name in outer:
            place = place[name]
        if value is None:
            del place[key]
        else:
            place[key] = value
    return data


def written(folder: Path, data: Any) -> Path:
    (folder / "dataset.json").write_text(json.dumps(data))
    return folder


def read(folder: Path, data: Any) -> DatasetInfo:
    info = read_info(written(folder, data))
    assert info is not None
    return info


def test_what_was_read_is_written_with_the_same_bytes():
    info = read_info(FROZEN)
    assert info is not None
    assert info.to_json() == (FROZEN / "dataset.json").read_bytes()


def test_a_whole_number_stays_one(tmp_path):
    info = read(tmp_path, changed(**{"model.scaling_factor": 1}))
    assert b'"scaling_factor": 1,' in info.to_json()


def test_only_what_is_known_is_written():
    info = make_info()
    assert not {"findings", "checksums", "checksum"} & set(json.loads(info.to_json()))
    assert list(json.loads(info.completed((), {}).to_json()))[-1] == "findings"


def test_keys_of_another_onepic_are_kept_wherever_they_are(tmp_path):
    data = changed(**{"taste": "sour", "model.family": "x", "totals.pixels": 3, "recipe.new": [1]})
    assert json.loads(read(tmp_path, data).to_json()) == data


def test_an_older_dataset_is_read_and_stays_as_it_was(tmp_path):
    data = changed(**dict.fromkeys(LATER))
    info = read(tmp_path, data)
    assert (info.filters, info.found, info.checksums) == ({}, None, {})
    assert (info.totals.dropped, info.model.shift_factor) == (0, 0.0)
    assert json.loads(info.to_json()) == data


def test_a_newer_one_is_refused_before_anything_else_is_looked_at(tmp_path):
    with pytest.raises(DatasetError, match=r"format version 99 is newer .*\(2\); upgrade onepic"):
        read_info(written(tmp_path, {"format_version": 99, "totals": "in another way"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": None}, "task is missing; expected what onepic-compile writes there"),
        ({"model.factor": None}, "model.factor is missing"),
        ({"recipe.layout": None}, "recipe.layout is missing"),
        ({"recipe.target": "colour"}, "recipe.target is 'colour'; expected an object"),
        ({"complete": "yes"}, "complete is 'yes'; expected a valid boolean"),
        ({"totals.samples": -1}, "totals.samples is -1; expected greater than or equal to 0"),
        ({"panel_size": [64]}, "panel_size.1 is missing"),
        ({"latents.shape": [4, 8, "16"]}, "latents.shape.2 is '16'; expected a valid integer"),
        ({"model.scaling_factor": "0.1"}, "model.scaling_factor is '0.1'; expected a valid number"),
        ({"checksums": {"a": 7}}, "checksums.a is 7; expected a valid string"),
        ({"task": ["x" * 100]}, "task is ['xx"),
    ],
)
def test_a_key_that_is_missing_or_wrong_is_named_with_what_was_expected(tmp_path, changes, message):
    with pytest.raises(DatasetError) as caught:
        read_info(written(tmp_path, changed(**changes)), "hf://datasets/a/b")
    assert str(caught.value).startswith(f"hf://datasets/a/b/dataset.json: {message}")
    assert "compile into another folder" in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("data", [[], "text", {}, {"format_version": "1"}])
def test_json_of_somebody_else_is_not_taken_for_a_dataset(tmp_path, data):
    with pytest.raises(DatasetError, match=r"not a dataset\.json of onepic"):
        read_info(written(tmp_path, data))


def test_there_may_be_none(tmp_path):
    assert read_info(tmp_path) is None
    with pytest.raises(DatasetError, match=r"here: no dataset\.json there"):
        read_finished_info(tmp_path, "here")


def test_it_cannot_be_changed_behind_ones_back():
    info = make_info()
    with pytest.raises(ValidationError, match="frozen"):
        info.task = "another"
    with pytest.raises(ValidationError, match="frozen"):
        info.model.factor = 16


def test_it_knows_where_the_panels_lie():
    assert make_info().layout == Layout((("grey", "colour"),), 64, 64, 8)


def test_findings_are_what_was_counted():
    found = {Finding("flat-panel", "a"): Count(7, ("x", "y"))}
    assert make_info().completed((), found).found == found


@pytest.mark.parametrize(
    ("version", "mask", "leaks"), [(1, "m", True), (1, None, False), (2, "m", False)]
)
def test_only_a_mask_in_the_first_version_leaks(version, mask, leaks):
    recipe = RECIPE | {"target": {"panels": ["colour"], "mask": mask}}
    assert bool(make_info(format_version=version, recipe=recipe).leak) == leaks
