"""Datasets open for training, or say why they cannot be trained on, alone or together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from onepic.common.errors import DatasetError, SettingsError
from onepic.dataset.info import read_finished_info
from onepic.dataset.names import DATASET, NULL_PROMPT
from onepic.trainer.canvases import check_same_latents, labels, open_canvases
from tests.datasets import RECIPE, make_info

ChangeInfo = Callable[..., Path]


@pytest.fixture
def change_info(many_shards, tmp_path) -> ChangeInfo:
    """`change_info("other", complete=False)` copies a dataset and changes its dataset.json."""

    def change(name: str = "data", **changes: Any) -> Path:
        folder = Path(shutil.copytree(many_shards, tmp_path / name))
        info = json.loads((folder / DATASET).read_text())
        (folder / DATASET).write_text(json.dumps(info | changes))
        return folder

    return change


def test_a_compiled_dataset_opens(finished_project):
    canvases = open_canvases(finished_project.output)
    assert len(canvases) == 5
    assert canvases.name == str(finished_project.output)
    assert canvases.info.task == "colorization"
    assert (canvases.empty_prompt["hidden"].ndim, canvases.empty_prompt["pooled"].ndim) == (2, 1)
    assert (
        canvases.empty_prompt["hidden"].dtype == canvases.empty_prompt["pooled"].dtype == np.float16
    )


def test_the_empty_prompt_is_the_file_s(many_shards):
    canvases = open_canvases(str(many_shards))
    np.testing.assert_array_equal(canvases.empty_prompt["hidden"], np.full((3, 8), 7, np.float16))
    np.testing.assert_array_equal(canvases.empty_prompt["pooled"], np.full(4, 7, np.float16))


def test_a_folder_without_a_dataset_says_what_was_expected(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing: no dataset\.json there; expected"):
        open_canvases(tmp_path / "nothing")


def test_an_unfinished_dataset_is_refused(change_info):
    with pytest.raises(DatasetError, match="data: compiling it has not finished; run onepic-comp"):
        open_canvases(change_info(complete=False))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "hf://datasets/someone/canvases",
            "it is not complete; run the onepic-compile or onepic-publish",
        ),
        ("s3://bucket/canvases", "compiling it has not finished; run onepic-compile"),
    ],
)
def test_an_unfinished_dataset_of_a_url_names_the_command_that_goes_on(change_info, url, expected):
    with pytest.raises(DatasetError, match=f"{url}: {expected} again"):
        read_finished_info(change_info(complete=False), url)


def test_a_newer_dataset_is_refused(change_info):
    with pytest.raises(DatasetError, match=r"format version 99 is newer .*; upgrade onepic"):
        open_canvases(change_info(format_version=99))


def test_a_dataset_whose_context_tells_what_is_learned_is_refused(change_info):
    recipe = RECIPE | {"target": {"panels": ["after"], "mask": "hole", "choose": None}}
    message = r"data: format version 1, .* 'after' .* 'hole' hides.*: onepic-compile .* --output"
    with pytest.raises(DatasetError, match=message):
        open_canvases(change_info(recipe=recipe))
    assert len(open_canvases(change_info("new", recipe=recipe, format_version=2)))
    whole = recipe | {"target": recipe["target"] | {"mask": None}}
    assert len(open_canvases(change_info("whole", recipe=whole)))


def test_a_missing_or_damaged_empty_prompt_is_named(change_info):
    folder = change_info()
    for damage in (b"", b"\xff" * 100, None):
        if damage is None:
            (folder / NULL_PROMPT).unlink()
        else:
            (folder / NULL_PROMPT).write_bytes(damage)
        with pytest.raises(DatasetError, match=r"data/null_prompt\.safetensors: .*compile again"):
            open_canvases(folder)


def test_datasets_for_one_model_go_together(many_shards, two_shapes):
    check_same_latents([open_canvases(folder) for folder in (many_shards, two_shapes)])


def test_datasets_for_two_models_are_refused_naming_both(change_info, many_shards):
    model = make_info().model.plain() | {"name": "other"}
    first, second = open_canvases(many_shards), open_canvases(change_info("sunset", model=model))
    with pytest.raises(SettingsError) as caught:
        check_same_latents([first, first, second])
    for part in (first.name, second.name, "model.name", "miniature", "other"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["hidden", "pooled"])
def test_datasets_with_other_embeddings_are_refused(name, change_info, many_shards):
    folder = change_info("sunset")
    tensors = {"hidden": np.zeros((1, 3, 8), np.float16), "pooled": np.zeros((1, 4), np.float16)}
    tensors[name] = np.zeros((*tensors[name].shape[:-1], 6), np.float16)
    save_file(tensors, folder / NULL_PROMPT)
    with pytest.raises(SettingsError, match=r"text embeddings is \{.*\} in the first and \{"):
        check_same_latents([open_canvases(many_shards), open_canvases(folder)])


def test_datasets_of_one_name_are_told_apart(many_shards, change_info):
    copies = [open_canvases(change_info(name)) for name in ("a/look", "b/look")]
    assert labels([*copies, open_canvases(many_shards)]) == ["look", "look-2", many_shards.name]
