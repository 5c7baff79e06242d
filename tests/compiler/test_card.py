"""The card of a dataset tells people and the Hub what it is, and is not written over edits."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st

from onepic.backbones.model import open_model
from onepic.canvas.findings import KINDS, Count, Finding
from onepic.compiler.card import is_as_written, render_card
from onepic.compiler.compile import make_layout
from onepic.compiler.info import describe
from onepic.dataset.info import DatasetInfo
from tests.datasets import make_info


def info_of(project: Any, samples: int = 5, **changes: Any) -> DatasetInfo:
    recipe, model = project.recipe(**changes), open_model("miniature")
    info = describe(recipe, make_layout(recipe, model), model, {}, "cpu")
    counted = {"samples": samples, "shards": 3, "rejected": 4, "bytes": 2_500_000}
    return info.model_copy(update={"totals": info.totals.model_copy(update=counted)})


@pytest.mark.parametrize(
    ("samples", "size"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**9, "n>100M")],
)
def test_the_head_is_what_the_hub_reads(bare_project, samples, size):
    card = DatasetCard(render_card(info_of(bare_project, samples), {}, None))
    head = card.data.to_dict()
    assert head["size_categories"] == [size]
    assert head["task_categories"] == ["image-to-image"]
    assert head["license"] == "unknown"
    assert head["pretty_name"] == "colorization"
    (config,) = head["configs"]
    assert config["data_files"] == [{"split": "train", "path": "shards/*.tar"}]


def test_a_task_may_be_called_what_yaml_takes_for_something_else(bare_project):
    card = render_card(info_of(bare_project, task="1e3"), {}, None)
    head = yaml.safe_load(card.split("---\n")[1])
    assert (head["pretty_name"], head["tags"][-1]) == ("1e3", "1e3")


def test_the_page_says_what_it_holds_and_how_it_was_made(bare_project):
    info = info_of(bare_project)
    card = render_card(info, {"decode": 3, "read": 1}, None)
    assert "| grey | **colour** |" in card
    assert "| `latents.npy` | float16 [4, 8, 16]" in card
    assert "- 5 samples in 3 shards, 2.5 MB" in card
    assert "- rejected rows: 4 (3 at decode, 1 at read); `rejected.parquet` says why" in card
    assert f"fingerprint `{info.fingerprint}`" in card
    recipe = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert recipe == info.recipe


def test_the_page_says_what_filters_dropped(bare_project):
    info = info_of(bare_project, filters=[{"min_size": {"width": 8}}])
    assert "dropped by filters" not in render_card(info_of(bare_project), {}, None)
    totals = info.totals.model_copy(update={"dropped": 7})
    info = info.model_copy(update={"totals": totals, "filters": {"min_size": 7}})
    assert "- dropped by filters: 7 (min_size 7)" in render_card(info, {}, None)


def test_the_page_says_what_may_be_wrong_and_how_the_data_were_read(bare_project):
    doubt = Finding("flat-panel", "panel `grey`: <b>one colour")
    found = {doubt: Count(2, ("a.png", "b.png")), Finding("mask-reading", "edit"): Count(9, ())}
    info = info_of(bare_project)
    assert "may be wrong" not in render_card(info, {}, None)
    assert "may be wrong" not in render_card(info.completed((), {}), {}, None)
    card = render_card(info.completed((), found), {}, None)
    wrong = card.split("## What may be wrong\n\n")[1].split("\n\n")[0]
    assert wrong == (
        f"- {KINDS['flat-panel'].text}: `panel 'grey': <b>one colour: 2 (a.png, b.png)`"
    )
    assert "## How the data were understood\n\n- how a mask was read: `edit: 9`" in card


def test_a_published_card_names_its_repository(bare_project):
    card = render_card(info_of(bare_project), {}, "someone/colours")
    assert 'load_dataset("someone/colours", split="train"' in card
    assert "onepic-train hf://datasets/someone/colours --output runs/colours" in card


@given(st.text(max_size=20), st.integers(0, 3000))
def test_any_edit_of_a_card_is_noticed(text, place):
    card = _CARD
    edited = card[:place] + text + card[place:]
    assert is_as_written(card)
    assert is_as_written(edited) == (edited == card)


def test_a_text_of_somebody_else_is_not_taken_for_one_of_onepic():
    assert not is_as_written("")
    assert not is_as_written("# Mine\n")


def test_compiling_writes_the_card_and_keeps_one_that_was_edited(project):
    path = project.output / "README.md"
    assert is_as_written(path.read_text())
    (project.root / "pictures/004.png").unlink()
    project.compile()
    assert "\n4 canvases that teach" in path.read_text()
    path.write_text("my own words")
    (project.root / "pictures/003.png").unlink()
    project.compile()
    assert path.read_text() == "my own words"


_CARD = render_card(make_info(), {}, None)
