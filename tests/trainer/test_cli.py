"""The command's own promises: its help, its list of settings, and mistakes told at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from onepic.trainer.cli import app
from onepic.trainer.settings import Settings, read_settings


def onepic_train(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def settings_listed() -> str:
    result = onepic_train("--settings")
    assert result.exit_code == 0
    return result.stdout


def test_help_has_examples_and_every_option():
    result = onepic_train("--help")
    assert result.exit_code == 0
    assert "accelerate launch -m onepic.trainer" in result.output
    for option in ("--output", "--config", "--set", "--resume", "--export", "--push-to-hub"):
        assert option in result.output
    assert onepic_train("-h").output == result.output


def test_the_list_of_settings_has_every_one_and_can_be_used_as_a_config(tmp_path: Path):
    file = tmp_path / "train.yaml"
    file.write_text(settings_listed())
    listed = yaml.safe_load(file.read_text())
    assert listed.keys() == Settings.model_fields.keys()
    assert listed["adapter"].keys() == type(Settings().adapter).model_fields.keys()
    assert read_settings(file) == Settings()


def test_the_list_of_settings_names_what_can_be_chosen():
    lines = settings_listed().splitlines()
    schedule = next(line for line in lines if line.startswith("schedule:"))
    assert "constant, linear, cosine, cosine_with_restarts, polynomial" in schedule
    assert any("loha" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "give a dataset"),
        (["data", "--steps", "0"], "--steps 0: steps: "),
        (["data", "--steps", "ten"], "--steps"),
        (["data", "--learning-rate", "nan"], "--learning-rate nan: learning_rate: "),
        (["data", "--set", "step=7"], "did you mean 'steps'?"),
        (["data", "--set", "steps"], "expected KEY.KEY=VALUE"),
        (["data", "--set", "adapter.rnak=7"], "did you mean 'rank'?"),
        (["data", "--config", "no/such.yaml"], "no/such.yaml: No such file"),
        (["data", "--export", "onnx"], "--export onnx: known: kohya"),
        (["data", "--export", "kohya", "--set", "adapter.kind=full"], "adapter.kind=full"),
        (["data", "--set", "warmup=10", "--steps", "10"], "--set warmup=10"),
        (["data", "--validation", "a", "--set", "validation_samples=0"], "validation_samples: 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_in_a_call_end_with_code_2_and_say_what_to_change(arguments, expected):
    result = onepic_train(*arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_mistakes_are_told_before_the_slow_libraries_are_loaded():
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from onepic.trainer.cli import app\n"
        "result = CliRunner().invoke(app, ['data', '--set', 'step=7'])\n"
        "print(result.exit_code, [name for name in ('diffusers', 'peft', 'accelerate')"
        " if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.strip() == "2 []"


def test_a_missing_dataset_is_told_with_its_name_and_leaves_no_traceback(tmp_path: Path):
    result = onepic_train(tmp_path / "nothing", "--output", tmp_path / "run")
    assert result.exit_code in (1, 2)
    assert str(tmp_path / "nothing") in result.stderr
    assert "Traceback" not in result.stderr


def test_the_output_is_named_after_the_dataset_even_where_it_is_a_dot(tmp_path, monkeypatch):
    from onepic.trainer.cli import _name

    (tmp_path / "colours").mkdir()
    monkeypatch.chdir(tmp_path / "colours")
    assert _name(".") == "colours"
    assert _name("data/colours/") == "colours"
    assert _name("hf://datasets/someone/colours") == "colours"
    assert _name("https://me:secret@host/colours?sig=secret/x") == "colours"
