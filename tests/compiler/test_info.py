"""dataset.json describes its dataset, and its totals add up."""

from __future__ import annotations

from importlib.metadata import version

from hypothesis import given
from hypothesis import strategies as st

from onepic.backbones.model import open_model
from onepic.common.files import digest
from onepic.compiler.compile import make_layout
from onepic.compiler.info import describe
from onepic.compiler.recipe import Recipe
from onepic.dataset.index import FileRecord, Rejection, ShardHeader
from onepic.dataset.info import count
from onepic.dataset.names import FORMAT_VERSION

COUNT = st.integers(0, 10**9)
COUNTED = ("samples", "panels", "distinct_panels", "prompts", "cut_prompts")
ROWS = st.lists(st.builds(Rejection, *[st.just("")] * 5), max_size=3).map(tuple)
HEADERS = st.builds(
    ShardHeader,
    fingerprint=st.just("f"),
    number=COUNT,
    **dict.fromkeys(COUNTED, COUNT),
    files=st.dictionaries(
        st.sampled_from(["tar", "text"]), st.builds(FileRecord, COUNT, st.just(""))
    ),
    rejected=ROWS,
    dropped=st.dictionaries(st.sampled_from(["min_size", "score s"]), ROWS),
)
RECIPE = Recipe.model_validate(
    {
        "task": "counting",
        "source": {"kind": "photos"},
        "filters": [{"score": {"column": "s", "least": 1}}, {"min_size": {"width": 8}}],
        "panels": {"a": {"from": "image"}, "b": {"from": "image"}},
        "layout": [["a", "b"]],
        "target": "b",
    }
)
LABELS = [item.label for item in RECIPE.filters]


@given(st.lists(HEADERS, max_size=5))
def test_totals_are_sums_over_the_shards(headers):
    totals, filters = count(headers, LABELS)
    assert totals.shards == len(headers)
    assert totals.rejected == sum(len(header.rejected) for header in headers)
    assert totals.bytes == sum(f.size for header in headers for f in header.files.values())
    assert list(filters) == ["score s", "min_size"]
    for label, found in filters.items():
        assert found == sum(len(header.dropped.get(label, ())) for header in headers)
    assert totals.dropped == sum(filters.values())
    for name in COUNTED:
        assert getattr(totals, name) == sum(getattr(header, name) for header in headers)


def test_a_dataset_of_nothing_has_totals_of_zero():
    totals, filters = count((), LABELS)
    assert set(totals.plain().values()) == set(filters.values()) == {0}


def test_only_datasets_whose_target_a_mask_narrows_have_the_second_format(bare_project):
    model, target = open_model("miniature"), {"panel": "colour", "mask": "part"}
    for changes, expected in (({}, 1), ({"target": target}, FORMAT_VERSION)):
        recipe = bare_project.recipe(**changes)
        info = describe(recipe, make_layout(recipe, model), model, {}, "cpu")
        assert info.format_version == expected
    assert FORMAT_VERSION == 2


def test_it_describes_the_canvas_the_model_and_what_made_it(bare_project):
    recipe, model = bare_project.recipe(layout=[["grey"], ["colour"]]), open_model("miniature")
    parts = {"recipe": {"seed": 0}}
    info = describe(recipe, make_layout(recipe, model), model, parts, "cpu")
    assert (info.format_version, info.complete) == (1, False)
    assert (info.fingerprint, info.fingerprint_parts) == (digest(parts), parts)
    assert (info.panel_size, info.canvas_size) == ((64, 64), (64, 128))
    assert info.latents.shape == (model.latents.channels, 16, 8)
    assert info.model.scaling_factor == model.latents.scaling_factor
    assert info.encoder.device == "cpu"
    assert info.encoder.threads >= 1
    assert info.versions["torch"] == version("torch")
