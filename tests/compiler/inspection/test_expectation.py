"""Latents of a wrong scale are told from those that a model can be trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onepic.compiler.inspection.expectation import (
    Expectation,
    expectation_of,
    judge,
    root_mean_square,
)
from onepic.compiler.inspection.statistics import Channel, LatentTally
from onepic.dataset.info_parts import ModelInfo
from tests.compiler.inspection.conftest import latents

AS_USUAL = Expectation(0.0, 1.0, "")
SDXL = 0.13025


def channels_of(scale: float, shift: float = 0.0) -> list[Channel]:
    tally = LatentTally(4)
    tally.add((latents(shape=(4, 32, 32), scale=scale) + shift).astype("float16"))
    return [tally.channel(number) for number in range(4)]


def model_of(name: str, scaling: float = SDXL) -> ModelInfo:
    return ModelInfo(name=name, revision=None, factor=8, scaling_factor=scaling)


def model_folder(tmp_path: Path, **config: Any) -> str:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae/config.json").write_text(json.dumps(config))
    return str(tmp_path)


@pytest.mark.parametrize("deviation", [0.5, 0.87, 1.0, 2.0])
def test_what_pictures_do_is_fine(deviation):
    assert judge(channels_of(deviation), AS_USUAL, SDXL) is None


def test_a_missing_scaling_factor_is_guessed():
    found = judge(channels_of(0.87 / SDXL), AS_USUAL, SDXL)
    assert "mean square of the latents is 6.6" in found
    assert "the model expects about 1" in found
    assert found.endswith("as if never multiplied by the scaling factor, 0.13025")


def test_a_scaling_factor_that_is_there_twice_is_guessed():
    found = judge(channels_of(0.87 * SDXL), AS_USUAL, SDXL)
    assert found.endswith("as if multiplied by the scaling factor, 0.13025, twice")


def test_any_other_scale_that_is_far_off_is_told():
    found = judge(channels_of(100), AS_USUAL, SDXL)
    assert "look at the pictures" in found


def test_a_mean_that_is_far_off_is_told():
    assert "mean square of the latents is 5.1" in judge(channels_of(1, -5), AS_USUAL, SDXL)


@pytest.mark.parametrize("colour", [-1.9, 2.0, 2.5])
def test_few_colours_are_fine(colour):
    assert judge(channels_of(0.15, colour), AS_USUAL, SDXL) is None


def test_nothing_is_said_of_no_numbers():
    nothing = [LatentTally(4).channel(0)]
    assert root_mean_square(nothing) is None
    assert judge(nothing, AS_USUAL, SDXL) is None


def test_what_the_vae_says_is_expected(tmp_path):
    name = model_folder(tmp_path, scaling_factor=SDXL, latents_mean=None)
    expected, problems = expectation_of(model_of(name))
    assert (expected.mean, expected.deviation, problems) == (0, 1, [])
    assert expected.source == "the VAE's config, scaling factor 0.13025"


def test_a_vae_of_another_scale_than_the_dataset_is_a_problem(tmp_path):
    name = model_folder(tmp_path, scaling_factor=SDXL)
    (problem,) = expectation_of(model_of(name, 0.18215))[1]
    assert "multiplied by 0.18215" in problem
    assert "scaling_factor 0.13025" in problem


@pytest.mark.parametrize("name", ["somebody/no-such-model", "no/such/folder", "düne"])
def test_of_a_model_that_is_not_here_the_dataset_tells(name):
    expected, problems = expectation_of(model_of(name))
    assert (expected.mean, expected.deviation, problems) == (0, 1, [])
    assert expected.source == "dataset.json, scaling factor 0.13025"


def test_a_vae_config_that_cannot_be_read_is_as_none(tmp_path):
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae/config.json").write_text("[")
    assert expectation_of(model_of(str(tmp_path)))[0].source.startswith("dataset.json")
