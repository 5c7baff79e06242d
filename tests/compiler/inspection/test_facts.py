"""What is said of a dataset is what is in it, in whatever state it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onepic.common.errors import DatasetError
from onepic.compiler.inspection.facts import Facts, Reason, Shape, gather_facts
from onepic.compiler.inspection.selection import draw_selection
from onepic.compiler.inspection.summary import to_lines
from onepic.dataset.catalogue import open_catalogue
from tests.compiler.inspection.conftest import Heard, latents, reject, sample
from tests.datasets import make_info


def facts_of(folder: Path, seed: int = 0, **bounds: int) -> Facts:
    catalogue = open_catalogue(folder)
    return gather_facts(catalogue, draw_selection(catalogue.samples, seed, **bounds))


def change_info(folder: Path, **changes: Any) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def folder(make_dataset: Any) -> Path:
    """Five sound samples in three shards."""
    return make_dataset(*map(sample, range(5)))


def test_a_compiled_dataset_has_no_problems(finished_project):
    facts = facts_of(finished_project.output)
    assert facts.problems == ()
    assert (facts.whole.samples, facts.whole.shards, facts.whole.rejected) == (5, 3, 0)
    assert facts.whole.shapes == (Shape(4, 8, 16, 5),)
    assert facts.whole.prompts.distinct == 1
    assert facts.selected.target_share.mean == 0.5
    tars = (finished_project.output / "shards").glob("*.[ts]*")
    assert facts.whole.bytes == sum(p.stat().st_size for p in tars if p.suffix != ".parquet")


def test_channels_are_those_of_the_latents(folder):
    values = np.stack([latents(n) for n in range(5)]).astype(float)
    facts = facts_of(folder)
    for number, channel in enumerate(facts.selected.channels):
        assert channel.mean == pytest.approx(values[:, number].mean(), abs=1e-6)
        assert channel.deviation == pytest.approx(values[:, number].std(), abs=1e-6)
        assert channel.least == values[:, number].min()
        assert channel.greatest == values[:, number].max()
        assert sum(channel.histogram.counts) == values[:, number].size


def test_prompts_are_counted_and_measured(make_dataset):
    prompts = ["", "a düne", "a düne", "x" * 10_000]
    folder = make_dataset(*(sample(n, prompt=text) for n, text in enumerate(prompts)))
    found = facts_of(folder).whole.prompts
    assert (found.distinct, found.empty) == (3, 1)
    assert (found.length.least, found.length.median, found.length.greatest) == (0, 6, 10_000)
    assert sum(found.length.histogram.counts) == 4


def test_shapes_are_counted_the_most_common_first(make_dataset):
    small = [sample(n, latents=latents(n, (4, 8, 8))) for n in (0, 1, 2)]
    found = facts_of(make_dataset(*small, sample(3)))
    assert found.whole.shapes == (Shape(4, 8, 8, 3), Shape(4, 8, 16, 1))
    assert found.problems == ()
    assert found.selected.samples == 4


def test_rejected_rows_are_counted_by_reason(make_dataset):
    rejected = [reject(1), reject(2), reject(3, stage="prompt", reason="no caption")]
    folder = make_dataset(sample(0), rejected=rejected)
    whole = facts_of(folder).whole
    assert whole.rejected == 3
    assert whole.reasons == (
        Reason("decode", "not a picture", 2),
        Reason("prompt", "no caption", 1),
    )


def test_rejected_rows_are_known_without_their_table(make_dataset):
    folder = make_dataset(sample(0), rejected=[reject(1)])
    (folder / "rejected.parquet").unlink()
    facts = facts_of(folder)
    assert facts.whole.rejected == 1
    assert facts.problems == ("rejected.parquet is missing",)


def test_the_same_seed_reads_the_same_samples(folder):
    def read(seed: int) -> Any:
        return facts_of(folder, seed, most_samples=2).selected.channels

    assert read(1) == read(1)
    assert read(1) != read(2)


def test_a_selection_keeps_within_its_bytes_and_says_how_many(folder):
    one = facts_of(folder, most_samples=1).selected.bytes
    selected = facts_of(folder, most_bytes=3 * one + 1).selected
    assert (selected.drawn, selected.of, selected.bytes) == (3, 5, 3 * one)
    assert facts_of(folder, most_bytes=1).selected.drawn == 1


def test_progress_is_told(folder):
    catalogue, heard = open_catalogue(folder), Heard()
    gather_facts(catalogue, draw_selection(catalogue.samples, 0), heard)
    assert (heard.begun, heard.done) == (5, 5)


def test_facts_are_plain_data(folder):
    facts = facts_of(folder)
    assert json.loads(json.dumps(asdict(facts), allow_nan=False))["whole"]["samples"] == 5


class TestProblems:
    def test_an_empty_dataset(self, make_dataset):
        facts = facts_of(make_dataset(rejected=[reject(0)]))
        assert facts.problems == ("there is no sample in it",)
        assert (facts.whole.samples, facts.whole.rejected) == (0, 1)
        assert (facts.selected.channels, facts.selected.target_share) == ((), None)

    def test_a_missing_index_leaves_the_other_shards(self, folder):
        (folder / "shards/00001.parquet").unlink()
        facts = facts_of(folder)
        assert facts.problems == ("shards/00001.parquet is missing or damaged",)
        assert (facts.whole.samples, facts.selected.samples) == (3, 3)

    def test_a_damaged_index_leaves_the_other_shards(self, folder):
        (folder / "shards/00001.parquet").write_bytes(b"no parquet")
        facts = facts_of(folder)
        assert facts.problems == ("shards/00001.parquet is missing or damaged",)
        assert facts.whole.samples == 3

    def test_an_unfinished_dataset_is_shown_as_far_as_it_is(self, folder):
        change_info(folder, complete=False, totals=make_info().totals.plain())
        (folder / "shards/00002.parquet").unlink()
        facts = facts_of(folder)
        assert facts.problems == (
            "compiling it has not finished; run onepic-compile again",
            "shards/00002.parquet is missing or damaged",
        )
        assert not facts.whole.complete
        assert facts.whole.samples == 4

    def test_a_truncated_tar(self, folder):
        path = folder / "shards/00000.tar"
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(3000)
        facts = facts_of(folder)
        assert facts.problems == (
            f"shards/00000.tar has 3000 bytes instead of {size}",
            "shards/00000.tar: it is shorter than its index says (sample 1)",
        )
        assert (facts.selected.samples, facts.selected.drawn) == (4, 5)

    def test_a_missing_tar(self, folder):
        (folder / "shards/00002.tar").unlink()
        assert facts_of(folder).problems == (
            "00002.tar is missing".join(("shards/", "")),
            "shards/00002.tar: No such file or directory (sample 4)",
        )

    def test_a_member_that_is_not_what_its_index_says(self, folder):
        path = folder / "shards/00000.tar"
        data = path.read_bytes()
        path.write_bytes(data.replace(b"'<f2'", b"'<i2'", 1))
        (problem,) = facts_of(folder).problems
        assert problem.startswith(
            "shards/00000.tar: latents.npy has int16 [4, 8, 16] where its index says"
        )
        assert problem.endswith("float16 [4, 8, 16] (sample 0)")

    def test_counts_that_disagree(self, folder):
        info = json.loads((folder / "dataset.json").read_text())
        change_info(folder, totals=info["totals"] | {"samples": 6})
        assert facts_of(folder).problems == ("dataset.json counts 6 samples, the shards 5",)

    def test_latents_that_are_not_numbers(self, make_dataset):
        broken = latents(2)
        broken[0, 3, 3] = np.nan
        broken[1] = np.inf
        facts = facts_of(make_dataset(sample(0), sample(1), sample(2, latents=broken)))
        assert facts.problems == ("NaN or infinity in the latents (sample 2)",)
        assert all(abs(channel.mean) < 0.2 for channel in facts.selected.channels)

    def test_latents_without_a_single_number(self, make_dataset):
        facts = facts_of(make_dataset(sample(0, latents=np.full((4, 8, 16), np.nan, np.float16))))
        assert facts.problems == ("NaN or infinity in the latents (sample 0)",)
        assert facts.selected.channels[0].mean is None

    def test_latents_of_another_model(self, make_dataset):
        facts = facts_of(make_dataset(sample(0, latents=latents(0, (16, 8, 16))), sample(1)))
        assert facts.problems == ("the latents have not 4 channels (sample 0)",)

    def test_masks_that_mark_nothing_or_too_much(self, make_dataset):
        empty, odd = np.zeros((1, 8, 16), np.uint8), np.full((1, 8, 16), 255, np.uint8)
        masks = [empty] * 5 + [odd]
        facts = facts_of(make_dataset(*(sample(n, mask=mask) for n, mask in enumerate(masks))))
        assert facts.problems == (
            "an empty mask: there is no target to learn (samples 0, 1, 2 and 2 more)",
            "values in the mask that are neither 0 nor 1 (sample 5)",
        )

    def test_a_folder_without_a_dataset(self, tmp_path):
        with pytest.raises(DatasetError, match=r"no dataset\.json there"):
            open_catalogue(tmp_path)

    def test_a_dataset_json_that_lacks_something(self, folder):
        info = json.loads((folder / "dataset.json").read_text())
        del info["model"]
        (folder / "dataset.json").write_text(json.dumps(info))
        with pytest.raises(DatasetError, match=r"dataset\.json: model is missing"):
            open_catalogue(folder)


def test_rows_that_filters_drop_are_counted_apart_from_rejected_ones(make_dataset):
    small = [reject(n, stage="filter", reason=f"min_size: {n} px") for n in (2, 3)]
    folder = make_dataset(sample(0), rejected=[reject(1)], dropped={"min_size": small})
    facts = facts_of(folder)
    assert (facts.whole.rejected, facts.whole.dropped) == (1, 2)
    assert facts.whole.filters == {"min_size": 2}
    assert [reason.stage for reason in facts.whole.reasons] == ["decode"]
    assert facts.problems == ()
    lines = list(to_lines(facts))
    assert "rejected: 1 of 4 rows (25.0%)" in lines
    assert "dropped by filters: 2 of 4 rows (50.0%)" in lines
    assert "  min_size: 2 rows" in lines
