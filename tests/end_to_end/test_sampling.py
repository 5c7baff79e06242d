"""`onepic-sample` on a run of two steps: one picture, many, again, stopped, misused."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from onepic.sampler.cli import app
from onepic.sampler.request import read_request

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Command

Sample = Callable[..., Any]
INPUT = ("run", "--image", "grey=grey.png")
FEW = ("--steps", "2")


@pytest.fixture
def sample(sampling: Command, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """`sample(*arguments)` runs the command here, as the libraries take seconds to import."""
    monkeypatch.chdir(sampling.folder)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def pixels(path: str | Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder: str, pattern: str = "*") -> list[str]:
    return sorted(path.name for path in Path(folder).glob(pattern))


def results(folder: str) -> list[list[str]]:
    with Path(folder, "results.csv").open(newline="") as file:
        return [[row["name"], row["status"], row["picture"]] for row in csv.DictReader(file)]


def write_rows(count: int) -> None:
    names = [f"p{number:02d},../grey.png" for number in range(count)]
    Path("tables").mkdir(exist_ok=True)
    Path("tables/t.csv").write_text("\n".join(["name,grey", *names]))


def edit_card(**changes: Any) -> None:
    """Change the recipe of the only task."""
    path = Path("run/task.json")
    card = json.loads(path.read_text())
    card["tasks"]["colorization"]["recipe"] |= changes
    path.write_text(json.dumps(card))


def test_a_picture_says_how_it_was_made_and_is_made_again_from_anywhere(
    sampling: Command, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--seed", "5", "--scheduler", "euler_a", "--guidance-scale", "2", "--canvas")
    result = sampling.here(*INPUT, *FEW, *options, "--output", "out/first ü.png")
    assert result.code == 0, result.errors
    assert "Traceback" not in result.errors
    first = sampling.folder / "out/first ü.png"
    assert re.fullmatch(r"made 1 in .* s\nout/first ü.png\nout/first ü-canvas.png\n", result.output)
    assert pixels(first).shape == (64, 64, 3)
    assert pixels(first.with_stem("first ü-canvas")).shape == (64, 128, 3)
    assert json.loads(Image.open(first).info["onepic"]) == {
        "run": str(sampling.folder / "run"),
        "images": {"grey": str(sampling.folder / "grey.png")},
        "seed": 5,
        "steps": 2,
        "scheduler": "euler_a",
        "guidance_scale": 2.0,
    }
    (sampling.folder / "elsewhere").mkdir()
    monkeypatch.chdir(sampling.folder / "elsewhere")
    again = sample("--again", first, "--output", "again.png")
    assert again.exit_code == 0, again.output
    assert Path("again.png").read_bytes() == first.read_bytes()


def test_several_pictures_differ_in_their_noise_and_come_with_a_sheet(sample: Sample) -> None:
    result = sample(*INPUT, *FEW, "--count", "3", "--seed", "7", "--output", "a.png")
    assert result.exit_code == 0, result.output
    assert names(".", "a*") == [
        "a-0.png",
        "a-1.png",
        "a-2.png",
        "a.png",
    ]
    assert pixels("a.png").shape == (64 + 8 + 64, 64 + 8 + 64, 3)
    assert (pixels("a.png")[:64, 72:] == pixels("a-1.png")).all()
    assert not (pixels("a-0.png") == pixels("a-1.png")).all()
    assert sample(*INPUT, *FEW, "--seed", "8", "--output", "b.png").exit_code == 0
    assert (pixels("b.png") == pixels("a-1.png")).all()
    assert sample("--again", "a-2.png", "--output", "c.png").exit_code == 0
    assert Path("c.png").read_bytes() == Path("a-2.png").read_bytes()


def test_options_beside_again_replace_what_the_picture_says(sample: Sample) -> None:
    assert sample(*INPUT, *FEW, "--count", "2", "--seed", "3").exit_code == 0
    assert sample("--again", "sample-1.png", "--steps", "3", "--output", "b.png").exit_code == 0
    before = read_request(Path("sample-1.png"))
    assert read_request(Path("b.png")) == before.model_copy(update={"steps": 3})
    assert sample("--again", "sample-1.png", "--seed", "4", "--output", "c.png").exit_code == 0
    assert (pixels("c.png") == pixels("sample-1.png")).all()


def test_a_table_makes_a_picture_for_each_good_row(sample: Sample, picture: Any) -> None:
    Path("tables/sub").mkdir(parents=True)
    picture(80, 50, 1).save("tables/sub/a b.jpg")
    Path("tables/broken.png").write_bytes(b"no image")
    Path("tables/t.csv").write_text(
        "grey,name,note\nsub/a b.jpg,first ü,x\nbroken.png,second,y\nmissing.png,,z\n../grey.png,,"
    )
    arguments = ("run", "--table", "tables/t.csv", "--output", "out", *FEW)
    result = sample(*arguments)
    assert result.exit_code == 1
    assert "made 2 of 4 pictures in out, 0 were there, 2 failed: out/results.csv" in result.output
    assert "second: task colorization: column 'grey'" in result.output
    assert results("out") == [
        ["first ü", "done", "first ü.png"],
        ["second", "failed", ""],
        ["00002", "failed", ""],
        ["00003", "done", "00003.png"],
    ]
    assert names("out") == ["00003.png", "first ü.png", "results.csv"]
    before = Path("out/first ü.png").stat().st_mtime_ns
    picture(seed=2).save("tables/broken.png")
    picture(seed=3).save("tables/missing.png")
    again = sample(*arguments)
    assert again.exit_code == 0, again.output
    assert "made 2 of 4 pictures in out, 2 were there, 0 failed" in again.output
    assert Path("out/first ü.png").stat().st_mtime_ns == before
    sample("--again", "out/00003.png", "--output", "again.png")
    assert Path("again.png").read_bytes() == Path("out/00003.png").read_bytes()


def test_rows_are_made_anew_when_something_of_them_has_changed(sample: Sample) -> None:
    write_rows(2)
    arguments = ("run", "--table", "tables/t.csv", *FEW)
    assert sample(*arguments).exit_code == 0
    Path("samples/p01.png").write_bytes(Path("samples/p01.png").read_bytes()[:20])
    assert "made 1 of 2 pictures in samples, 1 were there" in sample(*arguments).output
    os.utime("grey.png")
    assert "made 2 of 2" in sample(*arguments).output
    os.utime("run/task.json")
    assert "made 2 of 2" in sample(*arguments).output
    assert "made 2 of 2" in sample(*arguments, "--seed", "1").output
    assert "made 2 of 2" in sample(*arguments, "--seed", "1", "--canvas").output
    assert "made 0 of 2" in sample(*arguments, "--seed", "1", "--canvas").output


def test_each_row_has_its_own_prompt(sample: Sample) -> None:
    edit_card(prompt="colorize a {caption}")
    Path("t.csv").write_text("name,grey,caption\na,grey.png,cat\nb,grey.png,\n")
    result = sample("run", "--table", "t.csv", *FEW)
    assert result.exit_code == 1
    assert "b: task colorization: column 'caption' is empty" in result.output
    assert read_request(Path("samples/a.png")).values == {"caption": "cat"}
    result = sample("run", "--table", "t.csv", *FEW, "--value", "caption=dog")
    assert result.exit_code == 0
    assert "made 1 of 2" in result.output
    assert read_request(Path("samples/b.png")).values == {"caption": "dog"}


def test_a_table_may_hold_its_images_itself(sample: Sample) -> None:
    image = base64.b64encode(Path("grey.png").read_bytes()).decode()
    Path("t.jsonl").write_text(json.dumps({"name": "a", "grey": image}))
    arguments = ("run", "--table", "t.jsonl", "--output", "out", *FEW)
    assert "made 1 of 1" in sample(*arguments).output
    assert Path("out/inputs/grey/a").read_bytes() == Path("grey.png").read_bytes()
    assert "made 0 of 1" in sample(*arguments).output
    assert sample(*INPUT, "--output", "b.png", *FEW).exit_code == 0
    assert (pixels("out/a.png") == pixels("b.png")).all()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_table_that_was_stopped_keeps_whole_pictures_and_goes_on(
    sampling: Command, sample: Sample, signum: signal.Signals
) -> None:
    write_rows(300)
    arguments = ("run", "--table", "tables/t.csv", "--output", "out", *FEW)
    process = sampling.start(*arguments)
    while not Path("out/p01.png").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=60)
    if signum == signal.SIGINT:
        assert process.returncode == 130
        assert errors.endswith("onepic-sample: stopped; finished pictures are kept\n")
        assert "Traceback" not in errors
    made = sorted(Path("out").glob("*.png"))
    assert 2 <= len(made) < 300
    assert all(pixels(path).shape == (64, 64, 3) for path in made)
    write_rows(len(made) + 1)
    result = sample(*arguments)
    assert result.exit_code == 0, result.output
    assert f"made 1 of {len(made) + 1} pictures in out, {len(made)} were there" in result.output


def test_every_target_has_a_file(sample: Sample) -> None:
    edit_card(
        panels={name: {"from": "image", "apply": []} for name in ("grey", "colour", "depth")},
        layout=[["grey", "colour", "depth"]],
        target={"panels": ["colour", "depth"]},
    )
    result = sample(*INPUT, *FEW, "--output", "a.png")
    assert result.exit_code == 0, result.output
    files = ["a-canvas.png", "a-colour.png", "a-depth.png"]
    assert names(".", "a*") == files
    assert pixels("a-canvas.png").shape == (64, 192, 3)
    write_rows(2)
    arguments = ("run", "--table", "tables/t.csv", *FEW)
    assert sample(*arguments).exit_code == 0
    assert "made 0 of 2 pictures in samples, 2 were there" in sample(*arguments).output


def test_a_photo_that_a_camera_turned_is_made_upright(sample: Sample, picture: Any) -> None:
    turned = picture(64, 48, 4).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save("turned.png", exif=exif)
    picture(64, 48, 4).save("upright.png")
    for name in ("turned", "upright"):
        arguments = ("run", "--image", f"grey={name}.png", *FEW, "--output", f"out/{name}.png")
        assert sample(*arguments).exit_code == 0
    assert (pixels("out/turned.png") == pixels("out/upright.png")).all()


def test_a_full_disk_keeps_the_picture_that_was_there(
    sample: Sample, largest_file: Callable[[int], AbstractContextManager[None]]
) -> None:
    Path("out").mkdir()
    assert sample(*INPUT, *FEW, "--output", "out/a.png").exit_code == 0
    before = Path("out/a.png").read_bytes()
    with largest_file(1000):
        result = sample(*INPUT, *FEW, "--seed", "1", "--output", "out/a.png")
    assert result.exit_code == 1
    assert "out/a.png: cannot be written: File too large; earlier pictures" in result.output
    assert Path("out/a.png").read_bytes() == before
    assert names("out") == ["a.png"]


def test_too_many_steps_for_a_scheduler_are_told(sample: Sample) -> None:
    result = sample(*INPUT, "--scheduler", "lcm", "--steps", "51")
    assert result.exit_code == 2
    assert "--steps 51: " in result.output


WRONG_CALLS: list[tuple[list[str], str]] = [
    ([], "give a run, such as runs/colorization"),
    (["nothing"], "nothing: no such folder; give a run's folder"),
    (["~nobody99/run"], "~nobody99/run: no such folder; give a run's folder"),
    (["."], "no task.json there; expected a folder that onepic-train left"),
    (["run"], "no image for grey; the task's inputs are grey"),
    (["run", "--image", "gray=grey.png"], "'gray' takes no image; did you mean 'grey'?"),
    (["run", "--image", "colour=grey.png"], "'colour' is what the task fills"),
    (["run", "--image", "grey.png"], "--image grey.png: expected NAME=VALUE"),
    ([*INPUT, "--image", "grey=b.png"], "--image grey=b.png: grey is given twice"),
    (["run", "--image", "grey=missing.png"], "missing.png cannot be read: No such file"),
    (["run", "--image", "grey=t.csv"], "not an image: the file is text"),
    ([*INPUT, "--value", "caption=cat"], "--value caption: the task's prompt has no such column"),
    ([*INPUT, "--prompt", "x", "--value", "a=b"], "--value a: --prompt has no such column"),
    ([*INPUT, "--task", "tryon"], "no task 'tryon'; known: colorization"),
    ([*INPUT, "--panel-size", "64"], "--panel-size 64: expected WIDTHxHEIGHT"),
    ([*INPUT, "--panel-size", "64x-8"], "--panel-size 64x-8: expected WIDTHxHEIGHT"),
    (
        [*INPUT, "--panel-size", "0x64"],
        "--panel-size.0: Input should be greater than or equal to 1",
    ),
    ([*INPUT, "--panel-size", "65x64"], "task colorization: "),
    ([*INPUT, "--scheduler", "eular"], "--scheduler: Input should be 'ddim', "),
    ([*INPUT, "--steps", "1001"], "--steps: Input should be less than or equal to 1000"),
    ([*INPUT, "--seed", "-1"], "--seed: Input should be greater than or equal to 0"),
    ([*INPUT, "--guidance-scale", "nan"], "--guidance-scale: Input should be a finite number"),
    ([*INPUT, "--image-guidance-scale", "inf"], "--image-guidance-scale: Input should be a fin"),
    ([*INPUT, "--guidance-rescale", "2"], "--guidance-rescale: Input should be less than or"),
    ([*INPUT, "--output", "a.jpg"], "--output a.jpg: expected a file that ends with .png"),
    ([*INPUT, "--output", "run"], "--output run: expected a file that ends with .png"),
    ([*INPUT, "--table", "t.csv"], "--image and --table exclude each other"),
    (["run", "--table", "t.csv", "--count", "2"], "--count and --table exclude each other"),
    (["run", "--table", "t.csv", "--output", "a.png"], "a.png: with --table expected a folder"),
    (["run", "--table", "t.csv"], "t.csv: no column 'grey'; did you mean 'gray'?"),
    (["run", "--table", "missing.csv"], "missing.csv: no such file"),
    (["--again", "grey.png"], "grey.png: does not say how it was made"),
    (["--again", "missing.png"], "missing.png: cannot be read as a picture"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_CALLS)
def test_a_wrong_call_is_told_in_a_line(sample: Sample, arguments: list[str], message: str) -> None:
    Path("t.csv").write_text("gray\ngrey.png\n")
    before = names(".")
    result = sample(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert names(".") == before


def test_wrong_calls_are_told_before_the_libraries_are_loaded(
    sampling: Command, tmp_path: Path
) -> None:
    (sampling.folder / "t.csv").write_text("gray\ngrey.png\n")
    calls = json.dumps([arguments for arguments, _ in WRONG_CALLS])
    script = (
        "import sys; from onepic.sampler.cli import app; from typer.testing import CliRunner\n"
        f"codes = {{CliRunner().invoke(app, call).exit_code for call in {calls}}}\n"
        "print(codes, {'torch', 'diffusers', 'ray'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=sampling.folder, capture_output=True, text=True
    )
    assert result.stdout == "{2} set()\n", result.stderr


def test_a_wrong_call_leaves_with_its_exit_code_and_no_traceback(sampling: Command) -> None:
    result = sampling.here(*INPUT, "--output", "a.jpg")
    assert (result.code, result.output) == (2, "")
    assert result.errors == ("onepic-sample: --output a.jpg: expected a file that ends with .png\n")
    assert "Traceback" in sampling.here(*INPUT, "--output", "a.jpg", "--debug").errors


@pytest.mark.parametrize("output", ["grey.png/out/a.png", "grey.png/a.png"])
def test_an_output_that_cannot_be_made_is_told_first(sample: Sample, output: str) -> None:
    result = sample(*INPUT, "--output", output)
    assert result.exit_code == 1
    assert f"{Path(output).parent}: cannot be made: " in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_card_of_a_newer_version_is_refused(sample: Sample) -> None:
    card = json.loads(Path("run/task.json").read_text())
    Path("run/task.json").write_text(json.dumps(card | {"card_version": 99}))
    result = sample(*INPUT)
    assert result.exit_code == 2
    assert "card version 99 is newer than this onepic reads" in result.stderr


def test_one_of_several_tasks_has_to_be_named(sample: Sample) -> None:
    card = json.loads(Path("run/task.json").read_text())
    card["tasks"]["other"] = card["tasks"]["colorization"]
    Path("run/task.json").write_text(json.dumps(card))
    result = sample(*INPUT)
    assert result.exit_code == 2
    assert "the adapter has several tasks; give one: colorization, other" in result.stderr
    assert sample(*INPUT, *FEW, "--task", "other").exit_code == 0
    assert read_request(Path("sample.png")).task == "other"
