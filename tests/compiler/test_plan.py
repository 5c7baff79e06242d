"""Which rows go into which shard, and which shards a run has to make."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onepic.backbones.texts import Embeddings
from onepic.canvas.layout import Layout
from onepic.common.lock import locked
from onepic.compiler.plan import Outdated, Plan, outdated_shards, remove_surplus
from onepic.compiler.recipe import Recipe
from onepic.dataset.index import Rejection
from onepic.dataset.names import STATE, shard_path
from onepic.dataset.writer import Sample, ShardWriter

LAYOUT = Layout((("a", "b"),), 64, 64, 8)
KEYS = st.lists(st.text("a\n", max_size=3), min_size=1, max_size=3, unique=True)
SUFFIXES = (".parquet", ".tar", ".text.safetensors")


def make_plan(rows: dict[str, str], size: int = 2, output: Path = Path("data")) -> Plan:
    """A plan of rows by key, each with its stamp."""
    recipe = Recipe.model_validate(
        {
            "task": "test",
            "source": {"kind": "folder", "path": "pictures"},
            "panels": {"a": {"from": "image"}, "b": {"from": "image"}},
            "layout": [["a", "b"]],
            "target": "b",
            "samples_per_shard": size,
        }
    )
    text = pa.string()
    keys, stamps = pa.array(list(rows), text), pa.array(list(rows.values()), text)
    table = pa.table({"key": keys, "stamp": stamps})
    return Plan(recipe, Path(), LAYOUT, table, "f" * 64, output)


def numbered(count: int) -> dict[str, str]:
    return {f"{number}.png": f"image={number}@1 caption=missing" for number in range(count)}


def write_shard(plan: Plan, token: str, number: int, rejected: int = 0) -> None:
    """Write what the plan wants to see, with the first rows rejected."""
    rows = plan.shard_rows(number).to_pylist()
    refused = [Rejection("0", row["key"], row["stamp"], "read", "") for row in rows[:rejected]]
    with ShardWriter(plan.output, number, token) as writer:
        for row in rows[rejected:]:
            latents, mask = np.zeros((4, 8, 16), np.float16), np.zeros((1, 8, 16), np.uint8)
            key, stamp = row["key"], row["stamp"]
            writer.add(Sample(key.partition(".")[0], key, stamp, "", latents, mask, b"", {}))
        vector = np.zeros((1, 8), np.float16)
        embeddings = (
            Embeddings({"hidden": vector[None], "pooled": vector}, [False])
            if writer.samples
            else None
        )
        writer.complete(plan.shard_fingerprint(number), embeddings, refused, (0, 0))


def write_all(plan: Plan) -> None:
    with locked(plan.output, STATE) as token:
        for number in range(plan.shards):
            write_shard(plan, token, number)


def reasons(plan: Plan) -> dict[int, str | None]:
    return {shard.number: shard.reason for shard in outdated_shards(plan)}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """An output folder with the three shards of `numbered(5)`, two rows to a shard."""
    write_all(make_plan(numbered(5), output=tmp_path))
    return tmp_path


@given(st.integers(1, 200), st.integers(1, 60))
def test_shards_are_the_rows_in_order_all_full_but_the_last(count, size):
    plan = make_plan(numbered(count), size)
    parts = [plan.shard_rows(number) for number in range(plan.shards)]
    assert pa.concat_tables(parts) == plan.rows
    assert all(part.num_rows == size for part in parts[:-1])
    assert 1 <= parts[-1].num_rows <= size


@given(st.integers(1, 60), st.integers(1, 20))
def test_a_job_has_its_shards_rows_and_their_first_number(count, size):
    plan = make_plan(numbered(count), size)
    for number in range(plan.shards):
        job = plan.job(number, "token")
        assert job.rows == plan.shard_rows(number)
        assert plan.rows["key"][job.first_row] == job.rows["key"][0]
        assert (job.number, job.token) == (number, "token")
        assert job.fingerprint == plan.shard_fingerprint(number)


@given(st.integers(1, 60), st.integers(1, 20), st.data())
def test_a_changed_stamp_changes_its_own_shard_only(count, size, data):
    rows = numbered(count)
    changed = data.draw(st.integers(0, count - 1))
    plan, other = (
        make_plan(rows, size),
        make_plan(rows | {f"{changed}.png": "image=other"}, size),
    )
    assert [
        number
        for number in range(plan.shards)
        if plan.shard_fingerprint(number) != other.shard_fingerprint(number)
    ] == [changed // size]


@given(KEYS, KEYS)
@example(["a\na", "a"], ["a", "a\na"])
def test_rows_that_differ_in_any_way_have_another_fingerprint(keys, others):
    first, second = (make_plan(dict.fromkeys(names, ""), 9) for names in (keys, others))
    assert (first.shard_fingerprint(0) == second.shard_fingerprint(0)) == (keys == others)


def test_another_fingerprint_of_the_dataset_changes_every_shard():
    plan = make_plan(numbered(5))
    other = replace(plan, fingerprint="e" * 64)
    for number in range(plan.shards):
        assert plan.shard_fingerprint(number) != other.shard_fingerprint(number)


def test_a_job_travels_without_the_rest_of_the_table():
    plan = make_plan(numbered(50_000))
    job = plan.job(20_000, "token")
    pickled = pickle.dumps(job)
    assert len(pickled) < 10_000
    assert pickle.loads(pickled) == job


def test_shards_that_were_never_made_need_no_reason(tmp_path):
    plan = make_plan(numbered(3), output=tmp_path)
    assert list(outdated_shards(plan)) == [Outdated(0), Outdated(1)]


def test_shards_that_fit_their_rows_are_left_alone(data):
    assert reasons(make_plan(numbered(5), output=data)) == {}


def test_rejected_rows_are_not_tried_again_until_they_change(tmp_path):
    plan = make_plan(numbered(2), output=tmp_path)
    with locked(tmp_path, STATE) as token:
        write_shard(plan, token, 0, rejected=1)
        assert reasons(plan) == {}
        write_shard(plan, token, 0, rejected=2)
        assert reasons(plan) == {}
    changed = make_plan(numbered(2) | {"0.png": "image=7@7 caption=missing"}, output=tmp_path)
    assert reasons(changed) == {0: "0.png changed (image)"}


@pytest.mark.parametrize(
    ("stamp", "columns"),
    [
        ("image=9@9 caption=missing", "image"),
        ("image=2@1 caption=4@4", "caption"),
        ("image=9@9 caption=4@4", "caption, image"),
    ],
)
def test_an_edited_row_is_named_with_the_columns_that_changed(data, stamp, columns):
    plan = make_plan(numbered(5) | {"2.png": stamp}, output=data)
    assert reasons(plan) == {1: f"2.png changed ({columns})"}


def test_a_row_that_joined_or_left_is_named(data):
    rows = numbered(5)
    assert reasons(make_plan(rows | {"5.png": ""}, output=data)) == {2: "5.png is new here"}
    del rows["4.png"]
    shorter = make_plan(rows | {"new.png": ""}, output=data)
    assert reasons(shorter) == {2: "new.png is new here, 4.png is gone from here"}


def test_a_row_that_left_moves_those_behind_it(data):
    rows = numbered(5)
    del rows["1.png"]
    assert reasons(make_plan(rows, output=data)) == {
        0: "2.png is new here, 1.png is gone from here",
        1: "4.png is new here, 2.png is gone from here",
    }


def test_many_changes_are_counted(tmp_path):
    write_all(make_plan(numbered(6), 6, tmp_path))
    plan = make_plan(dict.fromkeys(numbered(6), "image=new"), 6, tmp_path)
    (reason,) = reasons(plan).values()
    assert reason.startswith("0.png changed (caption, image), 1.png changed")
    assert reason.endswith(" and 3 more")


def test_another_order_is_said_to_be_one(tmp_path):
    write_all(make_plan(numbered(2), output=tmp_path))
    turned = make_plan(dict(reversed(numbered(2).items())), output=tmp_path)
    assert reasons(turned) == {0: "the order of its rows changed"}


@pytest.mark.parametrize("suffix", [".tar", ".text.safetensors"])
def test_a_missing_or_shorter_file_is_named(data, suffix):
    plan = make_plan(numbered(5), output=data)
    path = shard_path(data, 1, suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    found = f"00001{suffix} has {len(whole) - 1} bytes instead of {len(whole)}"
    assert reasons(plan) == {1: found}
    path.unlink()
    assert reasons(plan) == {1: f"00001{suffix} is missing"}


def test_a_damaged_index_is_called_so(data):
    plan = make_plan(numbered(5), output=data)
    index = shard_path(data, 1, ".parquet")
    index.write_bytes(index.read_bytes()[:-10])
    assert reasons(plan) == {1: "its index is damaged"}


def test_damaged_rows_of_an_index_do_not_stop_a_run_that_makes_it_anew(data):
    index = shard_path(data, 0, ".parquet")
    damaged = bytearray(index.read_bytes())
    damaged[damaged.index(b"0.png")] ^= 1
    index.write_bytes(damaged)
    plan = make_plan(numbered(5) | {"1.png": "image=9@9"}, output=data)
    assert reasons(plan) == {0: "its index is damaged"}


def test_shards_behind_the_last_are_removed(data):
    notes = data / "shards/notes.txt"
    notes.touch()
    assert remove_surplus(make_plan(numbered(5), output=data)) == []
    assert remove_surplus(make_plan(numbered(2), output=data)) == [1, 2]
    assert {path.name for path in notes.parent.iterdir()} == {
        notes.name,
        *(f"00000{suffix}" for suffix in SUFFIXES),
    }


def test_what_an_interrupted_removal_left_is_removed(data):
    shard_path(data, 2, ".parquet").unlink()
    assert remove_surplus(make_plan(numbered(4), output=data)) == [2]
    assert not shard_path(data, 2, ".tar").exists()
