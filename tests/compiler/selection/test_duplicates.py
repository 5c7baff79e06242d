"""Filters in a whole run: what is dropped, counted, listed, made again, and never hashed twice."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from onepic.common.errors import OutputError, RunError, SourceError
from onepic.common.report import Silent
from onepic.compiler.compile import compile_dataset
from onepic.compiler.engines.engine import Scheduling
from onepic.compiler.selection.duplicates import mark_duplicates
from onepic.compiler.selection.hashes import ROWS_PER_JOB, HashJob, hash_rows
from onepic.dataset.dataset import open_dataset

EXACT = [{"duplicates": {"of": "image"}}]
NEAR = [{"near_duplicates": {"of": "image"}}]


@dataclass
class Recorder(Silent):
    """A report that remembers what was noted."""

    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Hashing:
    """Runs jobs one after the other and counts the rows; stops before more than `limit`."""

    limit: float = math.inf
    rows: int = 0

    def __call__(self, jobs: Iterator[HashJob]) -> Iterator[pa.Table]:
        for job in jobs:
            if self.rows + len(job.ids) > self.limit:
                raise KeyboardInterrupt
            self.rows += len(job.ids)
            yield hash_rows(job)


def found(
    project: Any, filters: Any, hashing: Hashing | None = None, **more: Any
) -> dict[str, str]:
    """Why each row that is a duplicate is dropped, as the plan is told; nothing is compiled."""
    recipe = project.recipe(filters=filters, **more)
    rows = recipe.source.scan(recipe.columns, project.root)
    hashing = hashing or Hashing()
    marked = mark_duplicates(recipe, project.root, rows, project.output, hashing, Silent())
    pairs = zip(marked["key"].to_pylist(), marked["dropped why"].to_pylist(), strict=True)
    return {key: why for key, why in pairs if why is not None}


def listed(project: Any) -> dict[str, str]:
    """The reason for each row in rejected.parquet that a filter dropped."""
    rows = pq.read_table(project.output / "rejected.parquet").to_pylist()
    return {row["source"]: row["reason"] for row in rows if row["stage"] == "filter"}


def copy(project: Any, source: str, *names: str) -> None:
    for name in names:
        shutil.copy(project.root / "pictures" / source, project.root / "pictures" / name)


@pytest.fixture
def doubled(bare_project: Any, picture: Any) -> Any:
    """Five pictures; then a copy of the first, and the second scaled and saved as a JPEG."""
    bare_project.draw(*range(5))
    copy(bare_project, "000.png", "005.png")
    picture(seed=1).resize((256, 192)).save(bare_project.root / "pictures/006.jpg", quality=60)
    return bare_project


def test_the_first_of_equal_files_is_kept(doubled):
    assert found(doubled, EXACT) == {"005.png": "duplicates of image: the same as '000.png'"}


def test_the_first_of_pictures_that_look_alike_is_kept(doubled):
    reasons = found(doubled, NEAR)
    assert reasons["005.png"] == "near_duplicates of image: 0 of 64 bits differ from '000.png'"
    assert reasons["006.jpg"].endswith("of 64 bits differ from '001.png'")
    assert len(reasons) == 2


def test_of_two_filters_the_second_sees_what_the_first_leaves(doubled):
    reasons = found(doubled, [*EXACT, *NEAR])
    assert [reason.partition(" ")[0] for reason in reasons.values()] == [
        "duplicates",
        "near_duplicates",
    ]


def test_each_filter_is_counted_and_dropped_rows_are_not_rejected(doubled, picture):
    picture(16, 12, seed=9).save(doubled.root / "pictures/007.png")
    (doubled.root / "pictures/008.png").write_bytes(b"not a picture")
    filters = [*EXACT, *NEAR, {"min_size": {"width": 32}}, {"aspect": {"least": 1}}]
    summary = doubled.compile(filters=filters, max_rejected=1 / 6)
    assert summary.filters == {
        "duplicates of image": 1,
        "near_duplicates of image": 1,
        "min_size": 1,
        "aspect": 0,
    }
    totals = summary.totals
    assert (totals["samples"], totals["dropped"], totals["rejected"]) == (5, 3, 1)
    assert [row.source for row in summary.rejected] == ["008.png"]
    info = json.loads((doubled.output / "dataset.json").read_text())
    assert (info["filters"], info["totals"]) == (summary.filters, totals)
    rows = pq.read_table(doubled.output / "rejected.parquet").to_pylist()
    assert [(row["source"], row["stage"]) for row in rows] == [
        ("005.png", "filter"),
        ("006.jpg", "filter"),
        ("007.png", "filter"),
        ("008.png", "decode"),
    ]
    dataset = open_dataset(doubled.output)
    assert [sample.metadata["source"] for sample in dataset] == [f"00{n}.png" for n in range(5)]
    assert dataset.verify() == []
    before = doubled.files()
    assert doubled.compile(report := Recorder(), filters=filters, max_rejected=0.2).made == 0
    assert report.notes == []
    changed = {n for n, data in doubled.files().items() if data != before[n]}
    assert changed == {"dataset.json", "README.md"}


def test_what_another_filter_drops_hides_no_double(bare_project, picture):
    """The small picture comes first, but the large one is the one that is wanted."""
    folder = bare_project.root / "pictures"
    folder.mkdir(parents=True)
    picture(32, 24).save(folder / "0.png")
    picture(320, 240).save(folder / "1.png")
    assert found(bare_project, NEAR).keys() == {"1.png"}
    assert found(bare_project, [*NEAR, {"min_size": {"width": 64}}]) == {}


def test_a_row_without_its_caption_hides_no_double(bare_project):
    bare_project.draw(0)
    copy(bare_project, "000.png", "001.png")
    (bare_project.root / "pictures/001.txt").write_text("a picture")
    assert found(bare_project, EXACT).keys() == {"001.png"}
    assert found(bare_project, EXACT, prompt="{caption}") == {}


def test_scores_come_from_a_table(bare_project):
    bare_project.draw(*range(4))
    scores = ["5", "5.5", "", "9"]
    lines = [f"pictures/{n:03d}.png,{score}" for n, score in enumerate(scores)]
    (bare_project.root / "t.csv").write_text("\n".join(["image,aesthetic", *lines]))
    source = {"kind": "table", "path": "t.csv"}
    bare_project.compile(
        filters=[{"score": {"column": "aesthetic", "least": 5.5, "most": 8}}], source=source
    )
    assert [sample.metadata["source"] for sample in open_dataset(bare_project.output)] == ["1"]
    assert listed(bare_project) == {
        "0": "score aesthetic: 5; at least 5.5 is kept",
        "2": "score aesthetic: the column is empty",
        "3": "score aesthetic: 9; at most 8 is kept",
    }
    with pytest.raises(SourceError, match="no column 'beauty'"):
        found(bare_project, [{"score": {"column": "beauty", "least": 5}}], source=source)


def test_a_score_that_is_no_number_counts_as_rejected(bare_project):
    bare_project.draw(*range(2))
    (bare_project.root / "t.csv").write_text("image,s\npictures/000.png,5\npictures/001.png,good\n")
    filters = [{"score": {"column": "s", "least": 5}}]
    with pytest.raises(RunError, match="the column 's' holds 'good'; expected a number"):
        bare_project.compile(filters=filters, source={"kind": "table", "path": "t.csv"})


def test_a_run_whose_filters_drop_everything_fails_and_says_so(bare_project):
    bare_project.draw(*range(3))
    with pytest.raises(RunError) as caught:
        bare_project.compile(filters=[{"min_size": {"width": 1000}}])
    assert "the filters drop all 3 rows (min_size 3); no sample is left" in str(caught.value)


def test_an_edited_picture_makes_the_shards_of_its_doubles_again(doubled, picture):
    doubled.compile(filters=EXACT)
    picture(seed=99).save(doubled.root / "pictures/000.png")
    doubled.compile(report := Recorder(), filters=EXACT)
    assert [note for note in report.notes if "again" in note] == [
        "shard 00000 is made again: 000.png changed (image)",
        "shard 00002 is made again: 005.png changed (duplicate)",
    ]
    assert listed(doubled) == {}
    with pytest.raises(OutputError, match=r"recipe\.filters"):
        doubled.compile(filters=NEAR)


def test_a_dataset_from_before_there_were_filters_is_still_up_to_date(project):
    info = json.loads((project.output / "dataset.json").read_text())
    assert "filters" not in info["fingerprint_parts"]["recipe"]
    del info["filters"], info["totals"]["dropped"], info["recipe"]["filters"]
    del info["checksums"], info["checksum"]  # nor were these there
    (project.output / "dataset.json").write_text(json.dumps(info))
    assert open_dataset(project.output).verify() == []
    assert project.compile().made == 0


def test_what_was_hashed_is_not_hashed_again(doubled):
    first = found(doubled, NEAR)
    hashing = Hashing()
    assert found(doubled, NEAR, hashing) == first
    assert hashing.rows == 0


def test_only_what_is_new_or_has_changed_is_hashed(doubled, picture):
    found(doubled, NEAR)
    doubled.draw(7, 8)
    picture(seed=77).save(doubled.root / "pictures/003.png")
    picture(seed=78).save(doubled.root / "pictures/0000.png")
    hashing = Hashing()
    found(doubled, NEAR, hashing)
    assert hashing.rows == 4


def test_lost_hashes_are_made_again(doubled):
    first = found(doubled, NEAR)
    for path in doubled.output.glob(".compile/hashes/*/*.parquet"):
        path.write_bytes(b"damaged")
    hashing = Hashing()
    assert found(doubled, NEAR, hashing) == first
    assert hashing.rows == 7


def test_a_search_that_is_stopped_goes_on_where_it_was(bare_project):
    bare_project.draw(*range(5))
    count = 2 * ROWS_PER_JOB + 100
    lines = [f"pictures/{number % 5:03d}.png" for number in range(count)]
    (bare_project.root / "t.csv").write_text("\n".join(["image", *lines]))
    source = {"kind": "table", "path": "t.csv"}
    with pytest.raises(KeyboardInterrupt):
        found(bare_project, EXACT, Hashing(limit=2 * ROWS_PER_JOB), source=source)
    hashing = Hashing()
    reasons = found(bare_project, EXACT, hashing, source=source)
    assert hashing.rows == 100
    assert reasons == {
        str(n): f"duplicates of image: the same as '{n % 5}'" for n in range(5, count)
    }


def test_a_job_hashes_its_rows_and_leaves_out_what_is_not_compared(bare_project, picture):
    bare_project.draw(0, 1)
    (bare_project.root / "pictures/002.png").write_bytes(b"")
    picture(16, 12).save(bare_project.root / "pictures/003.png")
    recipe = bare_project.recipe(filters=[*EXACT, *NEAR, {"min_size": {"width": 32}}])
    rows = recipe.source.scan(recipe.columns, bare_project.root)
    plain = recipe.model_dump(mode="json", by_alias=True)
    made = hash_rows(HashJob(np.arange(4, dtype=np.uint64), rows, plain, bare_project.root))
    assert made["row"].to_pylist() == [0, 1, 2, 3]
    for label in ("duplicates of image", "near_duplicates of image"):
        assert [value is None for value in made[label].to_pylist()] == [False, False, True, True]


def test_the_images_of_a_row_are_compared_column_by_column(bare_project, picture):
    for name, seeds in (("before", (0, 1, 0)), ("after", (2, 3, 4))):
        folder = bare_project.root / "pictures" / name
        folder.mkdir(parents=True)
        for number, seed in enumerate(seeds):
            picture(seed=seed).save(folder / f"{number}.png")
    panels = {name: {"from": name} for name in ("before", "after")}
    changes = {"panels": panels, "layout": [["before", "after"]], "target": "after"}
    assert found(bare_project, [{"duplicates": {"of": "before"}}], **changes).keys() == {"2"}
    assert found(bare_project, [{"duplicates": {"of": "after"}}], **changes) == {}


def test_decoded_images_are_compared_by_their_pixels(bare_project):
    assert found(bare_project, EXACT, source={"kind": "scenes", "count": 6, "size": 64}) == {}
    crops = {"kind": "photos", "crops": 2}
    assert found(bare_project, EXACT, source=crops) == {}


def test_ray_finds_and_writes_what_one_process_does_and_is_started_once(doubled, monkeypatch):
    starts, start = [], ray.init
    monkeypatch.setattr(ray, "init", lambda **options: starts.append(start(**options)))
    filters = [*EXACT, *NEAR]
    doubled.compile(filters=filters)
    expected = doubled.files()
    shutil.rmtree(doubled.output)
    compile_dataset(
        doubled.recipe(filters=filters),
        doubled.output,
        recipe_folder=doubled.root,
        scheduling=Scheduling(workers=2),
    )
    assert doubled.files() == expected
    assert len(starts) == 1
    assert not ray.is_initialized()
