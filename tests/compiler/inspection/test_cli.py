"""onepic-inspect says what it found, and its exit code says whether that was good."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from onepic.compiler import open_dataset
from onepic.compiler.inspection.cli import app
from tests.compiler.inspection.conftest import latents, reject, sample


def onepic_inspect(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_that_comes_next_names_all_samples_that_are_not_finite(make_dataset: Any):
    broken = latents(0) * np.float16("nan")
    changes = [{"latents": broken} if number in (1, 3) else {} for number in range(5)]
    folder = make_dataset(*(sample(number, **more) for number, more in enumerate(changes)))
    assert f"next: onepic-compile --verify {folder}" in onepic_inspect(folder).stdout
    first, second = open_dataset(folder).verify()
    assert first.startswith(
        "shards/00000.tar: NaN or infinity in the latents of 000000001 (001.png); leave them out "
        "of training by its setting skip_samples, or first: rm "
    )
    assert "000000003 (003.png)" in second


@pytest.fixture
def folder(make_dataset: Any) -> Path:
    return make_dataset(*map(sample, range(5)), rejected=[reject(9)])


def on_a_terminal(columns: int, *arguments: object) -> tuple[int, str]:
    """The exit code and the output of the command on a terminal so many columns wide."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "onepic.compiler.inspection", *map(str, arguments)],
        stdin=its,
        stdout=its,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"},
    )
    os.close(its)
    data = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        data += part
    os.close(ours)
    return process.wait(), data.decode()


def test_help_has_examples_and_every_option():
    result = onepic_inspect("--help")
    assert result.exit_code == 0
    assert "onepic-inspect data/colorization --html colorization.html" in result.output
    for option in ("--html", "--samples", "--seed", "--image", "--output", "--json", "--strict"):
        assert option in result.output


def test_a_log_gets_plain_lines(folder):
    result = onepic_inspect(folder)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"{folder}: 5 samples of colorization:"
    assert re.fullmatch(r"shards: 3, \d\d\.\d kB", lines[1])
    assert lines[2:6] == [
        "shape 4 x 8 x 16: 5 samples, 128 x 64 px",
        "prompts: 5 distinct; samples without one: 0",
        "prompt length: 8 to 8 characters, median 8",
        "rejected: 1 of 6 rows (16.7%)",
    ]
    assert lines[6] == "  decode: 1 rows: not a picture"
    # Each npy has a header of 128 bytes: 5 * (128 + 4 * 8 * 16 * 2 + 128 + 8 * 16).
    assert "read: all 5 samples, 7.0 kB of latents and masks" in lines
    assert "target area: 50.0% of the canvas, 50.0% to 50.0%" in lines
    assert sum(line.startswith("latent channel ") for line in lines) == 4
    assert lines[-3:] == [
        "no problems found in the indexes and the samples read",
        f"checksums: onepic-compile --verify {folder}",
        f"next: onepic-train {folder}",
    ]


def test_problems_are_listed_and_exit_with_1(folder):
    (folder / "shards/00001.tar").unlink()
    result = onepic_inspect(folder)
    assert result.exit_code == 1
    assert "problem: shards/00001.tar is missing" in result.stdout
    assert "shape 4 x 8 x 16: 5 samples" in result.stdout
    assert result.stdout.splitlines()[-1] == f"next: onepic-compile --verify {folder}"


def test_an_unfinished_dataset_exits_with_1_and_says_how_to_go_on(make_dataset):
    folder = make_dataset(sample(0), complete=False)
    result = onepic_inspect(folder)
    assert result.exit_code == 1
    assert "1 samples of colorization, unfinished" in result.stdout
    assert "next: run onepic-compile with the same recipe again" in result.stdout


def test_latents_without_their_scaling_factor_are_told(make_dataset):
    model = {"name": "not/here", "revision": None, "factor": 8, "shift_factor": 0.0}
    unscaled = [sample(n, latents=latents(n, scale=0.87 / 0.13025)) for n in range(3)]
    result = onepic_inspect(make_dataset(*unscaled, model=model | {"scaling_factor": 0.13025}))
    assert result.exit_code == 1
    assert "as if never multiplied by the scaling factor, 0.13025" in result.stdout


def test_doubts_are_told_and_are_errors_only_where_strict(make_dataset):
    twice = [sample(number, latents=latents(7)) for number in range(2)]
    folder = make_dataset(*twice, sample(2), sample(3, source="\x1b[2J"), sample(4), findings=[])
    result = onepic_inspect(folder)
    assert result.exit_code == 0
    assert "no problems found" not in result.stdout
    lines = result.stdout.splitlines()
    told = lines.index("doubt: rows that teach the same picture as other rows do")
    assert lines[told + 1] == "  equal latents and masks: 2 (000.png, 001.png)"
    assert lines[told + 2].startswith("  what to do: remove what is there twice")
    assert lines[-1] == f"next: when the doubts are settled, onepic-train {folder}"
    strict = onepic_inspect(folder, "--strict")
    assert strict.exit_code == 1
    assert strict.stdout == result.stdout
    assert f"onepic-inspect: {folder}: --strict and 2 doubts: rows that teach" in strict.stderr


def test_strict_changes_nothing_where_there_is_no_doubt(folder):
    strict = onepic_inspect(folder, "--strict")
    assert strict.exit_code == 0
    assert strict.stdout == onepic_inspect(folder).stdout


def test_json_has_the_same_facts(folder):
    (folder / "shards/00001.tar").unlink()
    result = onepic_inspect(folder, "--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 1
    assert facts["whole"]["samples"] == 5
    assert facts["selected"]["samples"] == 3
    assert facts["problems"][0] == "shards/00001.tar is missing"


def test_a_page_is_written_and_named(folder, tmp_path):
    page = tmp_path / "new/my page.html"
    result = onepic_inspect(folder, "--html", page, "--samples", 2)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"page: {page}"
    assert page.read_text().count("<article") == 2


def test_a_page_that_cannot_be_written_exits_with_2(folder, tmp_path):
    result = onepic_inspect(folder, "--html", tmp_path)
    assert result.exit_code == 2
    assert f"onepic-inspect: {tmp_path}: cannot be written: Is a directory" in result.stderr


def test_control_characters_do_not_reach_the_terminal(make_dataset):
    row = reject(1, reason="\x1b[2Jgone\nnext: rm -rf /", source="\x07")
    result = onepic_inspect(make_dataset(sample(0, prompt="\x1b[31m"), rejected=[row]))
    assert "\x1b" not in result.stdout
    assert "1 rows: \\x1b[2Jgone\\nnext: rm -rf /" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gopher://it"], "gopher://it: gopher:// is not known; expected a local folder or a URL"),
        (["d", "--image", "1", "--html", "p.html"], "--image shows one sample"),
        (["d", "--image", "1", "--json"], "--image shows one sample"),
        (["d", "--image", "1", "--strict"], "--image shows one sample"),
        (["d", "--output", "p.png"], "--output names the picture of --image"),
    ],
)
def test_a_wrong_call_exits_with_2(arguments, message):
    result = onepic_inspect(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_folder_without_a_dataset_is_named(tmp_path):
    result = onepic_inspect(tmp_path / "nothing")
    assert result.exit_code == 1
    assert f"onepic-inspect: {tmp_path}/nothing: no dataset.json there" in result.stderr


class TestOneSample:
    def test_it_is_decoded_beside_its_mask(self, finished_project, tmp_path):
        picture = tmp_path / "three.png"
        result = onepic_inspect(finished_project.output, "--image", 3, "--output", picture)
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines()[:3] == [
            "sample 3: 000000003, source 003.png",
            "prompt: colorize",
            "latents: 4 x 8 x 16; target area 50.0%",
        ]
        assert f"picture: {picture}" in result.stdout
        with Image.open(picture) as image:
            assert image.size == (128, 64 + 8 + 64)

    def test_its_picture_is_named_after_the_dataset(self, finished_project, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert onepic_inspect(finished_project.output, "--image", 0).exit_code == 0
        assert (tmp_path / "data-0.png").is_file()

    def test_one_that_is_not_there_exits_with_2(self, folder):
        result = onepic_inspect(folder, "--image", 5)
        assert result.exit_code == 2
        assert "has no sample 5; there are 0 to 4" in result.stderr

    def test_one_that_cannot_be_read_exits_with_1(self, folder):
        (folder / "shards/00002.tar").write_bytes(b"")
        result = onepic_inspect(folder, "--image", 4)
        assert result.exit_code == 1
        assert "shards/00002.tar: it is shorter than its index says" in result.stderr

    def test_latents_that_are_no_numbers_are_told(self, make_dataset, tmp_path):
        folder = make_dataset(sample(0, latents=latents(0) * float("nan")))
        result = onepic_inspect(folder, "--image", 0, "--output", tmp_path / "p.png")
        assert result.exit_code == 1
        assert "problem: NaN or infinity in the latents" in result.stdout
        assert "mean none" in result.stdout


class TestTerminal:
    @pytest.mark.parametrize("columns", [40, 100])
    def test_doubts_fit_into_it(self, make_dataset, columns):
        twice = [sample(number, latents=latents(7)) for number in range(3)]
        code, text = on_a_terminal(columns, make_dataset(*twice))
        assert code == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        told = plain[plain.index("doubt:") : plain.index("checksums:")]
        assert all(len(line) <= columns for line in told.splitlines())
        assert "  equal latents and masks: 3" in told

    @pytest.mark.parametrize("columns", [40, 100])
    def test_tables_fit_into_it(self, folder, columns):
        code, text = on_a_terminal(columns, folder)
        assert code == 0
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        tables = plain.split("all samples, by the indexes")[1].split("no problems found")[0]
        assert all(len(line) <= columns for line in tables.splitlines())
        assert re.search(r"channel +mean +deviation +least +greatest", tables)
        assert f"next: onepic-train {folder}" in plain

    def test_a_sample_is_drawn_in_it(self, finished_project, tmp_path):
        picture = tmp_path / "p.png"
        code, text = on_a_terminal(40, finished_project.output, "--image", 1, "--output", picture)
        assert code == 0
        rows = [line.count("▀") for line in text.splitlines() if "▀" in line]
        assert set(rows) == {40}
        assert len(rows) == 21  # 136 px high and 128 wide, two px to a line
