"""Pictures of a row that are cut differently are named, and those that may be are not."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onepic.canvas.pairs import cut_differently
from onepic.compiler.recipe import Recipe

SIDE = st.integers(8, 3000)
WIDE, TALL = (160, 80), (80, 160)


def found(sizes: dict[str, tuple[int, int]], **more: Any) -> list[str]:
    panels = {f"p{number}": {"from": name} for number, name in enumerate(sizes)}
    data = {
        "task": "t",
        "source": {"kind": "photos"},
        "panels": panels,
        "layout": [list(panels)],
        "target": "p0",
    }
    findings = cut_differently(Recipe.model_validate(data | more), sizes)
    assert {item.kind for item in findings} <= {"cut-differently"}
    return [item.about for item in findings]


def test_a_pair_of_two_shapes_is_named() -> None:
    assert found({"before": (160, 80), "after": (96, 96)}) == ["columns 'before' and 'after'"]


def test_a_stale_exif_tag_is_guessed_from_exchanged_sides() -> None:
    (about,) = found({"before": WIDE, "after": TALL})
    assert about == "columns 'before' and 'after', as if one were turned (by a stale EXIF tag?)"


@given(SIDE, SIDE, st.sampled_from([1, 2, 3]))
def test_pairs_that_differ_in_scale_are_cut_alike(width: int, height: int, factor: int) -> None:
    assert not found({"before": (width, height), "after": (width * factor, height * factor)})


def test_what_align_names_is_for_align_to_judge() -> None:
    sizes = {"person": WIDE, "agnostic": WIDE, "garment": TALL}
    assert not found(sizes, align=["person", "agnostic"])


def test_nothing_is_cut_without_cover() -> None:
    sizes = {"before": WIDE, "after": TALL}
    assert not found(sizes, fit="contain")
    assert not found(sizes, fit="stretch")


def test_an_operation_that_cuts_first_decides_itself() -> None:
    panels = {
        "whole": {"from": "image"},
        "detail": {"from": "other", "apply": [{"resize": {"width": 8, "height": 8}}]},
    }
    sizes = {"image": WIDE, "other": TALL}
    assert not found(sizes, panels=panels, layout=[["whole", "detail"]], target="whole")


def test_members_of_a_group_show_different_things() -> None:
    assert not found({"image": WIDE, "image.1": TALL, "image.2": (50, 50)})
    assert found({"image.1": WIDE, "edited.1": TALL, "image.2": TALL, "edited.2": TALL}) == [
        "columns 'image.1' and 'edited.1', as if one were turned (by a stale EXIF tag?)"
    ]
