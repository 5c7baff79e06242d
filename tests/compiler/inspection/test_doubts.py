"""Faults that are put into a dataset by hand are seen, in lines, as JSON and on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from onepic.canvas.findings import KINDS
from onepic.common.report import Silent
from onepic.compiler.inspection.facts import Facts, gather_facts
from onepic.compiler.inspection.page import render_page
from onepic.compiler.inspection.selection import draw_selection
from onepic.compiler.inspection.sight import Sight
from onepic.compiler.inspection.summary import to_json, to_lines
from onepic.dataset.catalogue import open_catalogue
from onepic.dataset.remarks import Remark
from onepic.dataset.stored import StoredSample
from onepic.dataset.writer import Sample
from tests import datasets
from tests.compiler.inspection.conftest import latents, sample

RECIPE = datasets.RECIPE | {"prompt": "colorize: {caption|a photograph}"}
LEFT, RIGHT = np.s_[..., :8], np.s_[..., 8:]


def changed(number: int, where: Any, values: Any) -> Sample:
    """A sound sample but for some of its latents."""
    broken = latents(number)
    broken[where] = values
    return sample(number, latents=broken)


def masked(number: int, where: Any) -> Sample:
    mask = np.zeros((1, 8, 16), np.uint8)
    mask[where] = 1
    return sample(number, mask=mask)


@pytest.fixture
def look(make_dataset: Any) -> Any:
    """`look(*samples, **info)` gathers the facts of a dataset of two panels side by side."""

    def gather(*samples: Sample, recipe: Any = RECIPE, **info: Any) -> Facts:
        known = {"recipe": recipe, "findings": []} | info
        catalogue = open_catalogue(make_dataset(*samples, **known))
        return gather_facts(catalogue, draw_selection(catalogue.samples, 0))

    return gather


def forget_findings(index: Path) -> None:
    """Make an index such as those that were written before findings were counted."""
    table = pq.read_table(index)
    header = json.loads(table.schema.metadata[b"onepic"])
    del header["findings"]
    metadata = {b"onepic": json.dumps(header).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), index, write_page_checksum=True)


def doubts(facts: Facts) -> list[tuple[str, str, int]]:
    assert facts.problems == ()
    return [(remark.kind, remark.about, remark.count) for remark in facts.remarks]


def test_a_sound_dataset_raises_no_doubt(look):
    facts = look(*map(sample, range(6)))
    assert doubts(facts) == []
    assert "no problems found in the indexes and the samples read" in to_lines(facts)


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_constant_latents_are_seen(look, value):
    facts = look(changed(0, LEFT, value), *map(sample, range(1, 5)))
    assert ("flat-panel", "panel 'grey': equal latents everywhere", 1) in doubts(facts)


def test_a_target_that_repeats_is_seen(look):
    target = latents(7)[RIGHT]
    samples = [changed(number, RIGHT, target) for number in range(3)]
    facts = look(*samples, sample(3))
    assert doubts(facts) == [("repeated-target", "equal latents and masks", 3)]
    assert facts.remarks[0].examples == ("000.png", "001.png", "002.png")


def test_samples_of_one_group_may_share_a_target():
    def seen(*groups: str | None) -> list[int]:
        sight = Sight(datasets.make_info().layout, is_narrowed=False)
        for number, group in enumerate(groups):
            same = sample(0)
            texts = same.key, same.source, same.prompt
            sight.add(StoredSample(number, *texts, same.latents, same.mask, group))
        return [count.number for count in sight.counts().values()]

    assert seen("dog", "dog", "dog") == []
    assert seen("dog", "dog", "cat") == [3]
    assert seen("dog", None) == [2]
    assert seen(None, None) == [2]


def test_a_context_may_repeat(look):
    garment = latents(7)[LEFT]
    assert doubts(look(*(changed(number, LEFT, garment) for number in range(4)))) == []


def test_a_context_that_equals_the_target_is_seen(look):
    copy = changed(1, RIGHT, latents(1)[LEFT])
    facts = look(sample(0), copy, sample(2))
    assert doubts(facts) == [("copied-target", "panel 'grey' and panel 'colour': equal latents", 1)]


def test_what_a_mask_leaves_of_a_target_is_compared_alone(look):
    copy = latents(1)
    copy[..., 10:12] = copy[..., 2:4]
    narrow = masked(1, np.s_[..., 10:12])
    narrowed = RECIPE | {"target": {"panels": ["colour"], "mask": "edit"}}
    facts = look(sample(1, latents=copy, mask=narrow.mask), sample(2), recipe=narrowed)
    kinds = {kind for kind, _, _ in doubts(facts)}
    assert "copied-target" in kinds


def test_a_mask_that_marks_everything_is_seen(look):
    facts = look(sample(0), masked(1, ...), sample(2))
    assert doubts(facts) == [("no-context", "the whole canvas", 1)]


def test_a_narrowed_target_that_a_mask_marks_whole_is_seen(look):
    narrowed = RECIPE | {"target": {"panels": ["colour"], "mask": "edit"}}
    samples = [masked(0, np.s_[..., 8:12]), masked(1, RIGHT), masked(2, np.s_[:, 3:6, 9:])]
    facts = look(*samples, recipe=narrowed)
    assert doubts(facts) == [("no-context", "panel 'colour': all of it", 1)]


@pytest.mark.parametrize("scale", [7.7, 0.13])
def test_a_sample_that_is_scaled_otherwise_is_seen(look, scale):
    broken = sample(9, latents=latents(9, scale=scale))
    found = doubts(look(*map(sample, range(9)), broken))
    assert [(kind, count) for kind, _, count in found] == [("odd-latents", 1)] * 2


def test_the_scale_of_one_panel_is_seen(look):
    broken = changed(2, RIGHT, latents(2)[RIGHT] * np.float16(7.7))
    ((kind, about, count),) = doubts(look(sample(0), broken, sample(3), sample(4)))
    assert (kind, count) == ("odd-latents", 1)
    assert about.startswith("panel 'colour': ")


def test_equal_prompts_are_seen(look):
    facts = look(*(sample(number, prompt="colorize: cat.jpg") for number in range(4)))
    assert doubts(facts) == [("equal-prompts", "{caption}", 4)]


def test_default_prompts_are_seen(look):
    texts = ["colorize: a photograph", "colorize: a düne", "colorize: a photograph"]
    facts = look(*(sample(number, prompt=text) for number, text in enumerate(texts)))
    assert doubts(facts) == [("default-prompt", "{caption}", 2)]
    assert facts.remarks[0].examples == ("000.png", "002.png")


def test_prompts_of_a_recipe_that_names_no_column_may_be_equal(look):
    samples = [sample(number, prompt="colorize") for number in range(4)]
    assert doubts(look(*samples, recipe=RECIPE | {"prompt": "colorize"})) == []


def test_what_cannot_be_trained_on_is_a_problem_and_no_doubt(look):
    facts = look(changed(0, LEFT, np.nan), masked(1, np.s_[:, :0]), sample(2))
    assert len(facts.problems) == 2
    assert facts.remarks == ()


def test_what_was_counted_while_compiling_is_shown_and_not_counted_twice(look):
    recorded = {"kind": "copied-target", "about": "panels 'a' and 'b'", "count": 9}
    recorded["examples"] = ["x", "y", "z"]
    copy = changed(1, RIGHT, latents(1)[LEFT])
    facts = look(sample(0), copy, findings=[recorded])
    assert doubts(facts) == [("copied-target", "panels 'a' and 'b'", 9)]
    (remark,) = facts.remarks
    assert isinstance(remark, Remark)
    assert remark.is_doubt
    assert remark.examples == ("x", "y", "z")


def test_more_than_was_counted_while_compiling_is_shown_as_well(look):
    recorded = {"kind": "flat-panel", "about": "panel 'a'", "count": 1, "examples": ["x"]}
    flat = [changed(number, LEFT, 0.5) for number in range(2)]
    facts = look(*flat, sample(2), sample(3), findings=[recorded])
    assert {count for kind, _, count in doubts(facts) if kind == "flat-panel"} == {1, 2}


def test_of_an_older_dataset_it_is_said_that_nobody_looked_at_its_images(make_dataset):
    folder = make_dataset(*map(sample, range(5)))
    forget_findings(folder / "shards/00001.parquet")
    catalogue = open_catalogue(folder)
    facts = gather_facts(catalogue, draw_selection(catalogue.samples, 0))
    assert doubts(facts) == [("unseen-shards", "of 3 shards", 1)]
    assert not facts.remarks[0].is_doubt
    assert facts.remarks[0].examples == ("00001",)
    assert f"note: {KINDS['unseen-shards'].text}" in to_lines(facts)


def test_doubts_are_on_the_page_and_their_names_are_text(make_dataset: Any, tmp_path: Path):
    hostile = "<img src=x onerror=alert(1)>"
    target = latents(7)[RIGHT]
    twice = [changed(0, RIGHT, target), changed(1, RIGHT, target)]
    one = Sample(**{**vars(twice[0]), "source": hostile})
    catalogue = open_catalogue(make_dataset(one, twice[1], sample(2)))
    selection = draw_selection(catalogue.samples, 0)
    facts = gather_facts(catalogue, selection)
    page = render_page(catalogue, facts, selection.numbers, Silent())
    assert "Doubts: this may be wrong" in page
    assert "rows that teach the same picture as other rows do" in page
    assert "equal latents and masks: 2 (&lt;img src=x onerror=alert(1)&gt;, 001.png)" in page
    assert hostile not in page
    assert "No problems found" not in page


def test_facts_as_json_hold_the_numbers(look):
    facts = json.loads(to_json(look(sample(0), masked(1, ...), sample(2))))
    (remark,) = facts["remarks"]
    assert (remark["kind"], remark["count"], remark["is_doubt"]) == ("no-context", 1, True)
    assert remark["examples"] == ["001.png"]
