"""A run makes what is missing, and says what it does and why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file

from onepic.backbones.model import open_model
from onepic.canvas.findings import Count, Finding
from onepic.common.errors import DatasetError, OutputError, RecipeError, RunError, SourceError
from onepic.common.lock import locked
from onepic.compiler.compile import compile_dataset, make_layout
from onepic.compiler.engines.engine import Scheduling
from onepic.dataset.dataset import open_dataset
from onepic.dataset.names import STATE

SUFFIXES = (".parquet", ".tar", ".text.safetensors")


@dataclass
class Recorder:
    """A report that remembers; it stops the run once it has been told of `stop_after` rows."""

    stop_after: int | None = None
    notes: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    rows: int = 0
    ended: bool = False

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, rows: int) -> None:
        self.begun.append(rows)

    def advance(self, rows: int) -> None:
        self.rows += rows
        if self.stop_after is not None and self.rows >= self.stop_after:
            raise KeyboardInterrupt

    def end(self) -> None:
        self.ended = True


def made_again(project: Any, **changes: Any) -> list[str]:
    """The notes of a run on shards that were made again."""
    report = Recorder()
    project.compile(report, **changes)
    return [note for note in report.notes if "made again" in note]


def edit(project: Any, name: str, picture: Any) -> None:
    picture(seed=99).save(project.root / "pictures" / name)


def test_a_dataset_is_whole_after_a_run(bare_project):
    bare_project.draw(*range(5))
    summary = bare_project.compile(report := Recorder())
    names = [f"shards/{n:05d}{end}" for n in range(3) for end in SUFFIXES]
    others = ["README.md", "canvases.png", "dataset.json", "null_prompt.safetensors"]
    others += ["rejected.parquet"]
    assert sorted(bare_project.files()) == sorted([*names, *others])
    assert (summary.made, summary.totals["samples"], summary.rejected) == (3, 5, ())
    assert (report.begun, report.rows, report.ended) == ([5], 5, True)
    assert "5 rows in 3 shards, 3 to make; canvas 128 x 64 px, panels 64 x 64 px" in report.notes
    with Image.open(bare_project.output / "canvases.png") as sheet:
        assert sheet.size == (3 * (128 + 12) + 12, 2 * (64 + 22 + 12) + 12)


def test_dataset_json_holds_what_a_reader_needs(project):
    info = json.loads(project.files()["dataset.json"])
    assert info["complete"] is True
    assert info["latents"] == {
        "shape": [4, 8, 16],
        "dtype": "float16",
        "distribution": "mean",
    }
    assert info["recipe"] == project.recipe().model_dump(mode="json", by_alias=True)
    assert (info["panel_size"], info["canvas_size"]) == ([64, 64], [128, 64])
    assert info["model"]["name"] == "miniature"
    assert info["totals"]["samples"] == 5


def test_a_second_run_makes_nothing_and_changes_no_byte(project):
    before = project.files()
    summary = project.compile(report := Recorder())
    assert (summary.made, summary.totals["samples"]) == (0, 5)
    assert (report.notes, report.begun) == ([], [])
    assert project.files() == before


def test_a_second_run_imports_neither_torch_nor_ray(bare_project):
    bare_project.draw(0)
    filters = [{"duplicates": {"of": "image"}}]
    path = bare_project.write_recipe(filters=filters)
    bare_project.compile(filters=filters)
    script = (
        "import sys\n"
        "from onepic.compiler import compile_dataset, read_recipe\n"
        "from pathlib import Path\n"
        "recipe, root = map(Path, sys.argv[1:])\n"
        "made = compile_dataset(read_recipe(recipe), root / 'data', recipe_folder=root).made\n"
        "print(made, {'torch', 'diffusers', 'ray'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", script, path, bare_project.root]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "0 set()\n"


def test_two_runs_elsewhere_give_the_same_bytes(project, tmp_path):
    shutil.rmtree(project.output)
    project.compile()
    assert project.files() == compiled_anew(project, tmp_path / "elsewhere").files()


def compiled_anew(project: Any, root: Path, **changes: Any) -> Any:
    """The project's pictures compiled in another folder, from nothing."""
    shutil.copytree(project.root / "pictures", root / "pictures")
    other = type(project)(root)
    other.compile(**changes)
    return other


def test_an_edited_picture_makes_its_own_shard_again(project, picture, tmp_path):
    before = project.files()
    edit(project, "002.png", picture)
    assert made_again(project) == ["shard 00001 is made again: 002.png changed (image)"]
    after = project.files()
    changed = {name for name in after if after[name] != before[name]}
    described = {"canvases.png", "dataset.json"}
    assert changed == {*described, "shards/00001.tar", "shards/00001.parquet"}
    assert after == compiled_anew(project, tmp_path / "elsewhere").files()


def test_a_removed_picture_is_named_and_its_sample_is_gone(project, tmp_path):
    (project.root / "pictures/003.png").unlink()
    assert made_again(project) == [
        "shard 00001 is made again: 004.png is new here, 003.png is gone from here"
    ]
    assert project.files() == compiled_anew(project, tmp_path / "elsewhere").files()
    assert sorted(path.name for path in (project.output / "shards").glob("*.tar")) == [
        "00000.tar",
        "00001.tar",
    ]


def test_new_pictures_at_the_end_leave_whole_shards_alone(project):
    project.draw(5, 6)
    report = Recorder()
    summary = project.compile(report)
    assert (summary.made, summary.totals["samples"]) == (2, 7)
    assert report.notes[0] == "shard 00002 is made again: 005.png is new here"


def test_another_recipe_is_refused_and_named(project):
    before = project.files()
    with pytest.raises(OutputError) as caught:
        project.compile(fit="contain", prompt="other")
    message = str(caught.value)
    assert f"{project.output} holds a dataset made otherwise:" in message
    assert "recipe.fit: 'cover' is now 'contain'" in message
    assert "recipe.prompt: 'colorize' is now 'other'" in message
    assert f"give another --output, or delete {project.output} to compile it anew" in message
    assert project.files() == before


def test_what_shapes_no_byte_may_change(project):
    summary = project.compile(max_rejected=0.5, task="other")
    assert summary.made == 0
    assert open_dataset(project.output).info.task == "other"


def test_a_limit_takes_the_first_rows_and_can_be_raised(project, tmp_path):
    limited = compiled_anew(project, tmp_path / "elsewhere", limit=3)
    assert len(open_dataset(limited.output)) == 3
    limited.compile(limit=4)
    limited.compile()
    assert limited.files() == project.files()


def test_a_limit_never_deletes_finished_shards(project):
    before = project.files()
    with pytest.raises(OutputError, match="holds 1 more shards than limit 3 leaves"):
        project.compile(limit=3)
    assert project.files() == before


def test_a_recipe_can_be_corrected_where_nothing_was_compiled_yet(bare_project):
    bare_project.draw(1)
    with pytest.raises(RunError, match="column 'caption' is empty"):
        bare_project.compile(prompt="{caption}")
    assert bare_project.compile(prompt="{caption|a picture}").totals["samples"] == 1
    assert open_dataset(bare_project.output).verify() == []


def test_an_empty_prompt_of_unknown_origin_is_made_anew_where_there_is_no_sample(bare_project):
    bare_project.draw(0)
    bare_project.output.mkdir()
    (bare_project.output / "null_prompt.safetensors").write_bytes(b"another model's")
    bare_project.compile()
    assert open_dataset(bare_project.output).verify() == []
    assert len(load_file(bare_project.output / "null_prompt.safetensors")["hidden"]) == 1


def test_shards_of_another_library_version_are_announced(project, picture):
    path = project.output / "dataset.json"
    info = json.loads(path.read_text())
    info["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(info))
    edit(project, "002.png", picture)
    report = Recorder()
    project.compile(report)
    (note,) = [note for note in report.notes if "versions.torch" in note]
    assert "'1.0' is now" in note
    assert "delete shards/" in note
    shutil.rmtree(project.output / "shards")
    project.compile()
    assert open_dataset(project.output).info.versions["torch"] != "1.0"


def test_shards_of_unknown_origin_are_refused(project):
    (project.output / "dataset.json").unlink()
    with pytest.raises(OutputError, match=r"holds shards but no dataset\.json"):
        project.compile()


@pytest.mark.parametrize("name", ["shards/00001.tar", "shards/00001.text.safetensors"])
def test_a_deleted_or_shortened_file_comes_back_with_the_same_bytes(project, name):
    before = project.files()
    (project.output / name).unlink()
    file = name.removeprefix("shards/")
    assert made_again(project) == [f"shard 00001 is made again: {file} is missing"]
    assert project.files() == before
    (project.output / name).write_bytes(before[name][:-5])
    assert len(made_again(project)) == 1
    assert project.files() == before


@pytest.mark.parametrize(
    "name",
    [
        "null_prompt.safetensors",
        "rejected.parquet",
        "canvases.png",
        "shards/00002.parquet",
    ],
)
def test_any_other_deleted_file_comes_back_too(project, name):
    before = project.files()
    (project.output / name).unlink()
    project.compile()
    assert project.files() == before


def test_a_damaged_index_is_made_again(project):
    before = project.files()
    index = project.output / "shards/00000.parquet"
    index.write_bytes(index.read_bytes()[:100])
    assert made_again(project) == ["shard 00000 is made again: its index is damaged"]
    assert project.files() == before


def test_a_run_elsewhere_keeps_the_encoder_that_the_first_settled(project, picture):
    path = project.output / "dataset.json"
    info = json.loads(path.read_text())
    info["encoder"] = {"device": info["encoder"]["device"], "threads": 1}
    path.write_text(json.dumps(info))
    edit(project, "002.png", picture)
    assert project.compile().made == 1
    assert open_dataset(project.output).info.encoder.plain() == info["encoder"]


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_stopped_run_goes_on_to_the_same_bytes(bare_project, finished_project, rows):
    shutil.copytree(finished_project.root / "pictures", bare_project.root / "pictures")
    with pytest.raises(KeyboardInterrupt):
        bare_project.compile(report := Recorder(stop_after=rows))
    assert report.ended
    with pytest.raises(DatasetError, match="has not finished; run onepic-compile again"):
        open_dataset(bare_project.output)
    kept = {name for name in bare_project.files() if name.endswith(".parquet")}
    assert len(kept) == (rows - 1) // 2
    summary = bare_project.compile()
    assert summary.made == 3 - len(kept)
    assert bare_project.files() == finished_project.files()


def test_what_a_killed_run_left_half_written_is_removed(project):
    left = [project.output / ".compile" / f"00000.0123.{s}" for s in ("tar", "parquet")]
    for path in left:
        path.touch()
    project.compile()
    assert not any(path.exists() for path in left)


def test_rejected_rows_are_kept_with_their_reasons(bare_project):
    bare_project.draw(*range(4))
    (bare_project.root / "pictures/001.png").write_bytes(b"not a picture")
    summary = bare_project.compile(max_rejected=0.25)
    (row,) = pq.read_table(bare_project.output / "rejected.parquet").to_pylist()
    assert (row["key"], row["source"], row["stage"]) == ("000000001", "001.png", "decode")
    assert row["reason"]
    assert row["stamp"].startswith("image=13@")
    assert summary.rejected[0].source == "001.png"
    assert summary.totals["rejected"] == 1
    assert [sample.key for sample in open_dataset(bare_project.output)] == [
        "000000000",
        "000000002",
        "000000003",
    ]


def test_too_many_rejected_rows_fail_the_run_and_keep_the_rest(bare_project, picture):
    bare_project.draw(*range(4))
    (bare_project.root / "pictures/001.png").write_bytes(b"not a picture")
    with pytest.raises(RunError) as caught:
        bare_project.compile()
    message = str(caught.value)
    assert "1 of 4 rows were rejected (25.0%), more than max_rejected allows (1.0%)" in message
    assert "3 samples are kept" in message
    assert "001.png: " in message
    assert str(bare_project.output / "rejected.parquet") in message
    assert len(open_dataset(bare_project.output)) == 3
    edit(bare_project, "001.png", picture)
    assert bare_project.compile().made == 1
    assert len(open_dataset(bare_project.output)) == 4


def test_a_run_without_a_single_sample_fails(bare_project):
    bare_project.draw(0)
    (bare_project.root / "pictures/000.png").write_bytes(b"not a picture")
    with pytest.raises(RunError, match=r"1 of 1 rows were rejected \(100.0%\); 0 samples are kept"):
        bare_project.compile(max_rejected=1)


def test_a_row_that_turns_bad_takes_its_sample_along(project):
    (project.root / "pictures/004.png").write_bytes(b"not a picture")
    project.compile(max_rejected=0.5)
    assert not (project.output / "shards/00002.tar").exists()
    assert len(open_dataset(project.output)) == 4
    assert open_dataset(project.output).verify() == []


def test_a_panel_size_that_the_vae_cannot_encode_is_refused_with_the_nearest(project):
    with pytest.raises(RecipeError, match=r"panel_size: .*60 x 100 px.*the nearest .*: 64 x 96"):
        project.compile(panel_size={"width": 60, "height": 100})


def test_panels_sized_automatically_fill_the_models_native_area(project):
    model = open_model("miniature")
    layout = make_layout(
        project.recipe(panel_size="auto", layout=[["grey", "grey"], ["grey", "colour"]]), model
    )
    width, height = layout.canvas_size
    assert width * height == model.native_area


def test_a_source_that_is_not_there_leaves_no_shards(bare_project):
    with pytest.raises(SourceError, match="pictures: no such folder"):
        bare_project.compile()
    assert not (bare_project.output / "shards").exists()


def test_a_folder_in_use_is_refused(project):
    with locked(project.output, STATE), pytest.raises(OutputError, match=f"process {os.getpid()}"):
        project.compile()


def test_the_default_output_is_named_after_the_task(project, monkeypatch):
    monkeypatch.chdir(project.root)
    scheduling = Scheduling(local=True)
    summary = compile_dataset(project.recipe(task="grey-2"), scheduling=scheduling)
    assert summary.output == Path("data/grey-2")
    assert len(open_dataset("data/grey-2")) == 5


@pytest.mark.parametrize("room", [500, 3000, 30_000], ids=["notes", "dataset.json", "sheet"])
def test_what_cannot_be_written_is_an_error_that_says_how_to_go_on(
    bare_project, largest_file, room
):
    bare_project.draw(*range(5))
    with largest_file(room), pytest.raises(RunError, match="File too large") as caught:
        bare_project.compile()
    assert str(caught.value).endswith("kept; run again to continue")
    bare_project.compile()
    assert open_dataset(bare_project.output).verify() == []


def test_room_is_asked_for_where_the_disk_is_full(bare_project):
    """What writes dataset.json finds a link to a device that is always full."""
    bare_project.draw(0)
    bare_project.output.mkdir()
    (bare_project.output / f".dataset.json.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(RunError) as caught:
        bare_project.compile()
    assert str(caught.value) == (
        f"{bare_project.output}: No space left on device; complete shards are kept; make room and "
        "run again to continue"
    )
    assert bare_project.compile().made == 1


def test_a_file_that_may_not_be_written_is_named(bare_project):
    bare_project.draw(0)
    taken = bare_project.output / "null_prompt.safetensors"
    taken.mkdir(parents=True)
    with pytest.raises(RunError) as caught:
        bare_project.compile()
    assert str(caught.value) == (
        f"{taken}: Is a directory; complete shards are kept; run again to continue"
    )


def test_a_compile_counts_odd_pictures_and_rejects_damaged_ones(
    bare_project: Any, picture: Any
) -> None:
    folder = bare_project.root / "pictures"
    for name in ("image", "depth"):
        (folder / name).mkdir(parents=True)
    depth = np.linspace(500, 4500, 64 * 48).reshape(48, 64)
    for number, factor in enumerate((1, 1, 10, 10)):
        picture(64, 48, number).save(folder / f"image/{number}.jpg", quality=95)
        Image.fromarray((depth * factor).astype(np.uint16)).save(folder / f"depth/{number}.png")
    picture(48, 64).save(folder / "image/2.jpg")
    whole = (folder / "image/3.jpg").read_bytes()
    (folder / "image/3.jpg").write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")

    panels = {"depth": {"from": "depth"}, "photo": {"from": "image"}}
    changes = {"panels": panels, "layout": [["depth", "photo"]], "target": "photo"}
    bare_project.compile(**changes, max_rejected=1)
    (rejected,) = pq.read_table(bare_project.output / "rejected.parquet").to_pylist()
    assert rejected["source"] == "3"
    assert "JPEG image of 64x48 px is truncated or damaged" in rejected["reason"]
    info = json.loads((bare_project.output / "dataset.json").read_text())
    found = {item["kind"]: (item["count"], item["examples"]) for item in info["findings"]}
    dark = (2, ["0", "1"])
    assert found == {"few-levels": dark, "flat-panel": dark, "cut-differently": (1, ["2"])}


def test_rows_without_a_text_and_what_was_passed_over_are_in_the_summary(bare_project):
    bare_project.draw(0, 1, 2)
    pictures = bare_project.root / "pictures"
    (pictures / "000.caption").write_text("a cat")
    (pictures / "001.txt").write_text("NaN")
    (pictures / "notes.md").touch()
    summary = bare_project.compile(prompt="{caption|a photograph}")
    assert summary.findings == {
        Finding("caption-reading", "caption: NAME.caption"): Count(1, ("000.png",)),
        Finding("default-prompt", "column caption"): Count(2, ("001.png", "002.png")),
        Finding("passed-over", ".md"): Count(1, ("notes.md",)),
    }
    prompts = [sample.prompt for sample in open_dataset(bare_project.output)]
    assert prompts == ["a cat", "a photograph", "a photograph"]
