"""The command says what it did and what comes next, and fails with one clear message."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from onepic.canvas.findings import KINDS
from onepic.compiler.cli import app


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give the process its handler back: the command takes SIGTERM for Ctrl-C."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def onepic_compile(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def compile_project(project: Any, *arguments: object, **changes: Any) -> Result:
    recipe = project.write_recipe(**changes)
    return onepic_compile(recipe, "--local", "--output", project.output, *arguments)


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def test_help_has_examples_and_every_option():
    result = onepic_compile("--help")
    assert result.exit_code == 0
    assert "onepic-compile recipes/colorization.yaml" in result.output
    assert "onepic-compile --verify data/colorization" in result.output
    for option in ("--source", "--model", "--output", "--panel-size", "--limit", "--set"):
        assert option in result.output
    assert onepic_compile("-h").output == result.output


def test_schema_is_that_of_recipes():
    result = onepic_compile("--schema")
    schema = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {"task", "source", "panels", "layout", "target"} <= set(schema["properties"])


def test_a_run_sums_up_and_names_the_next_command(bare_project):
    bare_project.draw(*range(4))
    result = compile_project(bare_project)
    assert result.exit_code == 0
    made, dataset, canvases, after = result.stdout.splitlines()
    assert made.startswith("made 2 of 2 shards in ")
    assert made.endswith(" samples/s)")
    assert dataset.startswith(f"{bare_project.output}: 4 samples of colorization, ")
    assert dataset.endswith(" 8 panels encoded, 0% saved as equal ones")
    assert canvases == (
        f"canvases: {bare_project.output}/canvases.png; "
        f"onepic-inspect {bare_project.output} shows more"
    )
    assert after == f"next: onepic-train {bare_project.output}"
    assert "4 rows in 2 shards, 2 to make" in result.stderr


def test_a_run_with_nothing_to_do_says_so(project):
    result = compile_project(project)
    assert result.exit_code == 0
    assert result.stdout.startswith("nothing to do: 3 shards are up to date\n")
    assert result.stderr == ""


def test_doubts_are_told_and_are_errors_only_where_strict(bare_project):
    bare_project.draw(*range(3))
    path = bare_project.root / "pictures/001.png"
    with Image.open(path) as image:
        image.convert("L").save(path)
    result = compile_project(bare_project)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    told = lines.index(f"doubt: {KINDS['copied-target'].text}")
    assert lines[told + 1] == "  panels 'grey' and 'colour': 1 (001.png)"
    assert lines[told + 2] == f"  what to do: {KINDS['copied-target'].advice}"
    assert lines[-1] == f"next: onepic-train {bare_project.output}"
    before = bare_project.files()
    strict = compile_project(bare_project, "--strict")
    assert strict.exit_code == 1
    assert f"onepic-compile: {bare_project.output} is complete, but --strict and" in strict.stderr
    assert f"1 doubt: {KINDS['copied-target'].text}: 1" in strict.stderr
    assert "next:" not in strict.stdout
    assert bare_project.files() == before
    (found,) = json.loads((bare_project.output / "dataset.json").read_text())["findings"]
    assert (found["kind"], found["count"], found["examples"]) == ("copied-target", 1, ["001.png"])
    assert "What may be wrong" in (bare_project.output / "README.md").read_text()


def test_strict_changes_nothing_where_there_is_no_doubt(project):
    assert compile_project(project, "--strict").exit_code == 0


def test_rejected_rows_and_cut_prompts_are_mentioned(bare_project):
    bare_project.draw(*range(3))
    (bare_project.root / "pictures/001.png").write_bytes(b"not a picture")
    result = compile_project(bare_project, prompt="many words " * 100, max_rejected=0.5)
    assert f"rejected: 1 rows, see {bare_project.output}/rejected.parquet" in result.stdout
    assert "prompts: 2 are longer than the text encoders take and were cut" in result.stdout


def test_each_filter_is_summed_up_and_fails_no_run(bare_project):
    bare_project.draw(0, 1)
    pictures = bare_project.root / "pictures"
    (pictures / "002.png").write_bytes((pictures / "001.png").read_bytes())
    filters = [{"duplicates": {"of": "image"}}, {"aspect": {"most": 2}}]
    result = compile_project(bare_project, filters=filters, max_rejected=0)
    assert result.exit_code == 0
    assert "3 of 3 images are hashed to find duplicates" in result.stderr
    assert (
        "filters: 1 of 3 rows dropped (duplicates of image 1, aspect 0), see "
        f"{bare_project.output}/rejected.parquet"
    ) in result.stdout


def test_a_filter_that_cannot_work_exits_with_2_and_names_its_line(bare_project):
    result = compile_project(bare_project, filters=[{"aspect": {"least": 3, "most": 2}}])
    assert result.exit_code == 2
    assert re.search(
        r"recipe\.yaml:\d+: filters\.0: aspect: least 3 is above most 2", result.stderr
    )


def test_too_many_rejected_rows_exit_with_1(bare_project):
    bare_project.draw(*range(3))
    (bare_project.root / "pictures/001.png").write_bytes(b"not a picture")
    result = compile_project(bare_project)
    assert result.exit_code == 1
    assert "onepic-compile: 1 of 3 rows were rejected" in result.stderr
    assert "next: onepic-train" not in result.stdout


def test_options_replace_keys_of_the_recipe(bare_project):
    bare_project.draw(*range(4))
    (bare_project.root / "pictures").rename(bare_project.root / "photos")
    options = ["--source", bare_project.root / "photos", "--limit", 3, "--model", "miniature"]
    options += ["--panel-size", "64x128", "--set", "seed=7", "--set", "panels.grey.apply=[invert]"]
    result = compile_project(bare_project, *options)
    assert result.exit_code == 0, result.output
    recipe = json.loads((bare_project.output / "dataset.json").read_text())["recipe"]
    assert recipe["source"]["path"] == str(bare_project.root / "photos")
    assert (recipe["limit"], recipe["seed"], recipe["model"]) == (3, 7, "miniature")
    assert recipe["panel_size"] == {"width": 64, "height": 128}
    assert recipe["panels"]["grey"]["apply"] == [{"invert": {}}]


def test_another_recipe_for_a_dataset_exits_with_2(project):
    result = compile_project(project, "--set", "fit=contain")
    assert result.exit_code == 2
    assert "recipe.fit: 'cover' is now 'contain'" in result.stderr


def test_a_call_without_a_recipe_exits_with_2_and_shows_one():
    result = onepic_compile()
    assert result.exit_code == 2
    assert "give a recipe, such as recipes/colorization.yaml; see --help" in result.stderr


def test_a_recipe_that_is_not_there_exits_with_2(tmp_path):
    result = onepic_compile(tmp_path / "x.yaml")
    assert result.exit_code == 2
    assert f"onepic-compile: {tmp_path}/x.yaml: No such file" in result.stderr


def test_a_misspelt_key_exits_with_2_and_names_the_line_and_the_right_one(bare_project):
    recipe = bare_project.write_recipe(promt="colorize")
    line = recipe.read_text().splitlines().index("promt: colorize") + 1
    result = onepic_compile(recipe)
    assert result.exit_code == 2
    assert f"{recipe}:{line}: promt: unknown key; did you mean 'prompt'?" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("size", ["512", "512x", "axb", "512x384x2", "-8x64", "²x64", "64 x 64"])
def test_a_panel_size_of_another_form_exits_with_2(project, size):
    result = compile_project(project, f"--panel-size={size}")
    assert result.exit_code == 2
    assert f"--panel-size {size}: expected WIDTHxHEIGHT, such as 512x384" in result.stderr


def test_a_panel_size_that_does_not_suit_exits_with_2_and_names_the_nearest(project):
    result = compile_project(project, "--panel-size", "60x64")
    assert result.exit_code == 2
    assert "the nearest that is: 64 x 64" in result.stderr


@pytest.mark.parametrize("option", [["--limit", "0"], ["--workers", "0"], ["--sauce", "x"]])
def test_options_out_of_range_or_unknown_exit_with_2(project, option):
    assert compile_project(project, *option).exit_code == 2


def test_a_sound_dataset_verifies(finished_project):
    result = onepic_compile("--verify", finished_project.output)
    assert result.exit_code == 0
    assert result.stdout == f"{finished_project.output}: 5 samples in 3 shards are sound\n"


def test_what_verify_advises_restores_the_very_bytes(project):
    before = project.files()
    flip_byte(project.output / "shards/00000.tar")
    (project.output / "shards/00001.tar").unlink()
    result = onepic_compile("--verify", project.output)
    assert result.exit_code == 1
    index = project.output / "shards/00000.parquet"
    assert result.stderr.splitlines() == [
        "onepic-compile: shards/00000.tar has another SHA-256 than its index says; "
        f"first: rm {index}",
        "shards/00001.tar is missing",
        f"{project.output}: run onepic-compile again to restore it",
    ]
    (advice,) = (line for line in result.stderr.splitlines() if "first: " in line)
    subprocess.run(shlex.split(advice.partition("first: ")[2]), check=True)
    assert compile_project(project).stdout.startswith("made 2 of 3 shards")
    assert project.files() == before
    assert onepic_compile("--verify", project.output).exit_code == 0


def test_a_dataset_with_a_damaged_index_does_not_verify(project):
    (project.output / "shards/00001.parquet").write_bytes(b"")
    result = onepic_compile("--verify", project.output)
    assert result.exit_code == 1
    assert "shards/00001.parquet has another SHA-256 than dataset.json says" in result.stderr


def test_a_dataset_that_is_not_there_does_not_verify(tmp_path):
    result = onepic_compile("--verify", tmp_path / "x")
    assert result.exit_code == 1
    assert f"{tmp_path}/x: no dataset.json there" in result.stderr


def test_an_error_is_one_message_and_debug_shows_where_it_was_raised(bare_project):
    recipe = bare_project.write_recipe(seed=-1)
    command = [sys.executable, "-m", "onepic.compiler", str(recipe)]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr.startswith("onepic-compile: ")
    assert len(plain.stderr.splitlines()) == 1
    debug = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert debug.returncode == 2
    assert "Traceback (most recent call last)" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


def test_a_dataset_is_published_when_it_is_compiled(hub, bare_project):
    bare_project.draw(*range(2))
    refused = compile_project(bare_project, "--push-to-hub", "another/colours")
    assert refused.exit_code == 2
    assert not bare_project.output.exists(), "a refusal is told before the work"
    result = compile_project(bare_project, "--push-to-hub", "someone/colours")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("next: ") == 1
    assert "next: onepic-train hf://datasets/someone/colours --output" in result.stdout
    files = hub.dataset("someone/colours").files()
    assert files["shards/00000.tar"].data == bare_project.files()["shards/00000.tar"]


@pytest.mark.parametrize(
    "place",
    [("--push-to-hub", "someone/mine"), ("--output", "hf://datasets/someone/mine")],
)
def test_a_dataset_on_the_hub_is_private_when_that_is_asked_for(place, hub, bare_project):
    bare_project.draw(*range(2))
    hub.make("someone/public")
    elsewhere = place[1].replace("mine", "public")
    refused = compile_project(bare_project, place[0], elsewhere, "--private")
    assert refused.exit_code == 2
    assert "someone/public is there already and is public" in refused.stderr
    result = compile_project(bare_project, *place, "--private")
    assert result.exit_code == 0, result.stderr
    assert hub.dataset("someone/mine").private
    assert "shards/00000.tar" in hub.dataset("someone/mine").files()


def test_private_without_the_hub_is_refused(bare_project):
    bare_project.draw(0)
    result = compile_project(bare_project, "--private")
    assert result.exit_code == 2
    assert "--private is for the Hub: give --push-to-hub USER/NAME or --output" in result.stderr
    assert not bare_project.output.exists()
