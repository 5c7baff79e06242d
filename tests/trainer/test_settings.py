"""Settings: what a file and options give, and errors that lead to the line that must change."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onepic.backbones import BACKBONES
from onepic.common.errors import SettingsError
from onepic.common.yaml_file import Override
from onepic.trainer.settings import SETTINGS, Settings, check_exports, read_settings

Read = Callable[..., Settings]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.yaml"


@pytest.fixture
def read(file: Path) -> Read:
    """`read(text, *sets)` writes settings and reads them with the values of ``--set``."""

    def write_and_read(text: str, *sets: str) -> Settings:
        file.write_text(text, encoding="utf-8")
        return read_settings(file, [Override.parse(each, SETTINGS) for each in sets])

    return write_and_read


def test_the_defaults_are_the_papers():
    settings = read_settings(None)
    assert (settings.steps, settings.learning_rate, settings.optimizer) == (10_000, 1e-3, "adamw")
    assert (settings.adapter.kind, settings.adapter.rank, settings.adapter.alpha) == ("lora", 32, 4)
    assert settings.adapter.on(BACKBONES["sdxl"]).targets == (
        *("attn1.to_q", "attn1.to_k", "attn1.to_v"),
    )


def test_an_option_wins_over_the_file(read: Read):
    settings = read("steps: 7\nadapter: {rank: 8, alpha: 2}\n", "steps=9", "adapter.rank=16")
    assert (settings.steps, settings.adapter.rank, settings.adapter.alpha) == (9, 16, 2)


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "0.001", "'1e-3'", "1E-3"])
def test_a_rate_can_be_written_as_people_write_it(read: Read, written):
    assert read(f"learning_rate: {written}\n").learning_rate == 0.001
    assert read("steps: 7\n", f"learning_rate={written}").learning_rate == 0.001


@pytest.mark.parametrize("written", ["no", "'no'"])
def test_precision_no_is_not_mistaken_for_false(read: Read, written):
    assert read(f"precision: {written}\n").precision == "no"
    assert read("precision: bf16\n", f"precision={written}").precision == "no"


def test_settings_survive_json(read: Read):
    settings = read("weights: [2, 1]\nmin_snr: 5\nbetas: [0.9, 0.99]\n")
    again = Settings.model_validate(json.loads(json.dumps(settings.model_dump(mode="json"))))
    assert again == settings


def test_an_unknown_key_is_named_with_its_line_and_the_one_that_was_meant(read: Read, file):
    with pytest.raises(SettingsError) as caught:
        read("steps: 7\nlearning-rate: 1e-3\n")
    message = str(caught.value)
    assert message.startswith(f"{file}:2: learning-rate: unknown key")
    assert "did you mean 'learning_rate'?" in message
    assert caught.value.exit_code == 2


def test_an_unknown_key_of_the_adapter_is_named_in_full(read: Read, file):
    with pytest.raises(SettingsError, match=r":3: adapter\.ranks: .*did you mean 'rank'") as caught:
        read("steps: 7\nadapter:\n  ranks: 7\n")
    assert str(file) in str(caught.value)


def test_a_wrong_option_is_quoted_as_it_was_given(read: Read):
    with pytest.raises(SettingsError, match=r"--set steps=0: steps: .*greater than or equal to 1"):
        read("steps: 7\n", "steps=0")


def test_all_problems_are_told_at_once(read: Read):
    with pytest.raises(SettingsError) as caught:
        read("steps: 0\nbatch_size: none\n")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "steps",
        "batch_size",
    ]


def test_a_warm_up_longer_than_the_run_is_refused_where_it_is_written(read: Read, file):
    with pytest.raises(SettingsError, match="10 steps of warm-up in a run of 10") as caught:
        read("steps: 10\nwarmup: 10\n")
    assert f"{file}:2" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"betas": (0.9, 1.0)},
        {"betas": (-0.1, 0.9)},
        {"betas": (0.9,)},
        {"weights": (1, 0)},
        {"weights": (1, -1)},
        {"weights": (math.inf,)},
        {"weights": (math.nan,)},
        {"seed": -1},
        {"seed": 2**63},
        {"learning_rate": 0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"noise_offset": math.inf},
        {"weight_decay": math.inf},
        {"min_snr": 0},
        {"ema": 1},
        {"prompt_dropout": 1.1},
        {"precision": "fp32"},
        {"precision": True},
        {"optimizer": "sgd"},
        {"schedule": "step"},
        {"keep_checkpoints": 0},
        {"adapter": {"kind": "dreambooth"}},
        {"adapter": {"rank": 0}},
        {"adapter": {"targets": ()}},
    ],
    ids=str,
)
def test_what_no_run_could_use_is_refused_before_it_begins(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings.model_validate(wrong)


@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_kohyas_form_exists_for_low_rank_adapters(kind):
    check_exports(["kohya"], Settings.model_validate({"adapter": {"kind": kind}}))


@pytest.mark.parametrize("kind", ["dora", "loha", "lokr", "full"])
def test_kohyas_form_of_other_adapters_is_refused(kind):
    with pytest.raises(
        SettingsError, match=f"adapter.kind={kind} .* it exists for lora and rslora"
    ):
        check_exports(["kohya"], Settings.model_validate({"adapter": {"kind": kind}}))


def test_an_unknown_form_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match="--export onnx: known: kohya"):
        check_exports(["onnx"], Settings())


@pytest.mark.parametrize("written", ["data/heldout", "[data/heldout]"])
def test_one_dataset_to_validate_on_need_be_no_list(read: Read, written):
    assert read(f"validation: {written}\n").validation == ("data/heldout",)
