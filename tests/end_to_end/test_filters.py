"""Filters in a whole run of the command: what they drop is counted, listed, and found only once."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from tests.conftest import DrawPicture, Project
    from tests.end_to_end.conftest import Command

RUN = ("recipe.yaml", "--output", "data", "--local")
GOOD, COPIES = 12, 1300
ROWS = GOOD + COPIES + 6
FILTERS: list[dict[str, Any]] = [
    {"score": {"column": "aesthetic", "least": 5}},
    {"min_size": {"width": 64, "height": 64}},
    {"aspect": {"least": 0.5, "most": 2}},
    {"duplicates": {"of": "image"}},
    {"near_duplicates": {"of": "image"}},
]
CHANGES: dict[str, Any] = {
    "source": {"kind": "table", "path": "rows.csv", "key": "id"},
    "filters": FILTERS,
    "samples_per_shard": 1000,
    "max_rejected": 0.1,
}
#: What the filters find in the rows below, in the order of the recipe.
COUNTS = {
    "score aesthetic": 2,
    "min_size": 1,
    "aspect": 1,
    "duplicates of image": COPIES,
    "near_duplicates of image": 1,
}


@pytest.fixture
def table(bare_project: Project, picture: DrawPicture) -> Project:
    """A table with a row for each filter to drop, and so many copies that hashing takes a while."""
    folder = bare_project.root / "pictures"
    folder.mkdir(parents=True)
    rows = [(f"good-{n:02d}", f"{n:03d}.png", "6.5") for n in range(GOOD)]
    for number in range(GOOD):
        picture(160, 128, number).save(folder / f"{number:03d}.png")
    picture(160, 128, 20).save(folder / "poor.png")
    picture(160, 63, 21).save(folder / "small.png")
    picture(330, 160, 22).save(folder / "wide.png")
    picture(160, 128, 3).resize((200, 160)).save(folder / "scaled.jpg")
    (folder / "damaged.png").write_text("no picture")
    rows += [("poor", "poor.png", "4.25"), ("unrated", "poor.png", "")]
    rows += [(name, f"{name}.png", "8") for name in ("small", "wide", "damaged")]
    rows += [("scaled", "scaled.jpg", "5.0")]
    rows += [(f"copy-{n:04d}", f"{n % GOOD:03d}.png", "9") for n in range(COPIES)]
    with (bare_project.root / "rows.csv").open("w", newline="") as file:
        cells = [(key, f"pictures/{name}", score) for key, name, score in rows]
        csv.writer(file).writerows([("id", "image", "aesthetic"), *cells])
    bare_project.write_recipe(**CHANGES)
    return bare_project


def listed(project: Project) -> dict[str, dict[str, str]]:
    """What rejected.parquet says of each row, by the row's own name."""
    rows = pq.read_table(project.output / "rejected.parquet").to_pylist()
    return {row["source"]: row for row in rows}


def test_dropped_rows_are_counted_and_listed_and_a_second_run_has_nothing_to_do(
    table: Project, onepic_compile: Command
) -> None:
    result = onepic_compile.here(*RUN)
    assert result.code == 0, result.errors
    assert f"{ROWS} of {ROWS} images are hashed to find duplicates" in result.errors
    counts = ", ".join(f"{label} {number}" for label, number in COUNTS.items())
    dropped = f"filters: {sum(COUNTS.values())} of {ROWS} rows dropped ({counts})"
    assert f"data: {GOOD} samples" in result.output
    assert dropped in result.output
    assert "rejected: 1 rows, see data/rejected.parquet" in result.output
    assert json.loads((table.output / "dataset.json").read_text())["filters"] == COUNTS
    before = table.files()
    again = onepic_compile.here(*RUN)
    assert again.code == 0, again.errors
    assert "nothing to do: 2 shards are up to date" in again.output
    assert dropped in again.output
    assert "hashed" not in again.errors
    assert table.files() == before
    rows = listed(table)
    assert {rows[f"copy-{n:04d}"]["reason"] for n in range(COPIES)} == {
        f"duplicates of image: the same as 'good-{n:02d}'" for n in range(GOOD)
    }
    assert rows.pop("damaged")["stage"] == "decode"
    assert {row["stage"] for row in rows.values()} == {"filter"}
    reasons = {name: row["reason"] for name, row in rows.items() if "copy" not in name}
    near = reasons.pop("scaled")
    assert re.fullmatch("near_duplicates of image: [0-4] of 64 bits differ from 'good-03'", near), (
        near
    )
    assert reasons == {
        "poor": "score aesthetic: 4.25; at least 5 is kept",
        "unrated": "score aesthetic: the column is empty",
        "small": "min_size: image is 160 x 63 px; at least 64 px high is kept",
        "wide": "aspect: image is 330 x 160 px, 2.0625; at most 2 is kept",
    }


def test_a_run_killed_while_it_hashes_goes_on_there_and_ends_in_the_same_bytes(
    table: Project, onepic_compile: Command
) -> None:
    table.compile(**CHANGES)
    expected = table.files()
    table.output.rename(table.root / "expected")
    process = onepic_compile.start(*RUN)
    wait_for_hashes(table, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(table.output.glob("shards/*")), "it was killed too late"
    result = onepic_compile.here(*RUN)
    assert result.code == 0, result.errors
    (hashed,) = re.findall(rf"(\d+) of {ROWS} images are hashed", result.errors)
    assert 0 < int(hashed) < ROWS
    assert table.files() == expected


def wait_for_hashes(project: Project, process: subprocess.Popen[str]) -> None:
    """Until the first rows are hashed."""
    while not list(project.output.glob(".compile/hashes/*/jobs/*.parquet")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
