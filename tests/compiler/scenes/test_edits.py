"""An instruction tells the truth about the scene after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onepic.compiler.scenes import edits
from onepic.compiler.scenes.palette import COLOURS, PATTERNS
from onepic.compiler.scenes.wording import a
from onepic.compiler.scenes.world import make_scene

SEEDS = st.integers(0, 2**63 - 1)


def edited(edit, seed):
    """A scene, the thing that is edited, and the edit."""
    rng = np.random.default_rng(seed)
    scene = make_scene(rng)
    number = int(rng.integers(len(scene.things)))
    return scene, scene.things[number], edit(scene, number, rng)


def others(scene, kind):
    return [thing for thing in scene.things if thing.kind != kind]


def thing_of(scene, kind):
    (thing,) = (thing for thing in scene.things if thing.kind == kind)
    return thing


@given(seed=SEEDS)
def test_any_edit_changes_one_thing_and_keeps_the_place_and_the_light(seed):
    rng = np.random.default_rng(seed)
    scene = make_scene(rng)
    edit = edits.make_edit(scene, rng)
    before, after = set(scene.things), set(edit.scene.things)
    assert len(before - after) <= 1
    assert len(after - before) <= 1
    assert before != after
    assert edit.scene == replace(scene, things=edit.scene.things)


@given(seed=SEEDS)
def test_each_kind_is_in_an_edited_scene_only_once(seed):
    rng = np.random.default_rng(seed)
    scene = edits.make_edit(make_scene(rng), rng).scene
    assert len({thing.kind for thing in scene.things}) == len(scene.things) > 0


@given(seed=SEEDS)
def test_an_edited_scene_lists_its_things_from_left_to_right(seed):
    rng = np.random.default_rng(seed)
    places = [thing.x for thing in edits.make_edit(make_scene(rng), rng).scene.things]
    assert places == sorted(places)


@given(seed=SEEDS)
def test_an_instruction_names_things_of_the_scene_by_their_kinds(seed):
    rng = np.random.default_rng(seed)
    scene = make_scene(rng)
    words = edits.make_edit(scene, rng).instruction.split()
    if words[0] != "add":
        assert words[1] == "the"
        assert words[2] in [thing.kind for thing in scene.things]


@given(seed=SEEDS)
def test_a_recoloured_thing_has_the_colour_that_is_named_and_is_the_same_otherwise(seed):
    scene, thing, edit = edited(edits.recolour, seed)
    after = thing_of(edit.scene, thing.kind)
    assert edit.instruction == f"make the {thing.kind} {after.paint.colour}"
    assert (edit.kind, edit.colour) == (thing.kind, after.paint.colour)
    assert after.paint.colour in set(COLOURS) - {thing.paint.colour}
    assert after == replace(thing, paint=replace(thing.paint, colour=after.paint.colour))
    assert others(edit.scene, thing.kind) == others(scene, thing.kind)


@given(seed=SEEDS)
def test_a_repatterned_thing_has_the_pattern_that_is_named_and_is_the_same_otherwise(seed):
    scene, thing, edit = edited(edits.repattern, seed)
    after = thing_of(edit.scene, thing.kind)
    assert edit.instruction == f"make the {thing.kind} {after.paint.pattern}"
    assert after.paint.pattern in set(PATTERNS) - {thing.paint.pattern}
    assert after == replace(thing, paint=replace(thing.paint, pattern=after.paint.pattern))
    assert others(edit.scene, thing.kind) == others(scene, thing.kind)


@given(seed=SEEDS)
def test_a_replaced_thing_has_the_paint_and_the_place_of_the_one_before(seed):
    scene, thing, edit = edited(edits.replace_thing, seed)
    assert edit.kind != thing.kind
    assert edit.instruction == f"replace the {thing.kind} with {a(edit.kind)}"
    assert thing_of(edit.scene, edit.kind) == replace(thing, kind=edit.kind)
    assert others(edit.scene, edit.kind) == others(scene, thing.kind)


@given(seed=SEEDS)
def test_a_removed_thing_is_gone_and_the_others_stay(seed):
    scene, thing, edit = edited(edits.remove, seed)
    assert edit.instruction == f"remove the {thing.kind}"
    assert list(edit.scene.things) == others(scene, thing.kind)


def has_room(scene, thing, x):
    others = [other.x for other in scene.things if other is not thing]
    return abs(x) <= 1.6 and all(abs(x - other) >= 1.2 for other in others)


@given(seed=SEEDS)
def test_a_moved_thing_goes_in_the_direction_that_is_named_to_where_there_is_room(seed):
    scene, thing, edit = edited(edits.move, seed)
    after = thing_of(edit.scene, thing.kind)
    if edit.instruction.startswith("make"):  # there was none: it has another colour instead
        assert after.paint.colour == edit.colour != thing.paint.colour
        assert not any(has_room(scene, thing, thing.x + step) for step in (-0.9, 0.9))
        return
    side = "left" if after.x < thing.x else "right"
    assert edit.instruction == f"move the {thing.kind} {side}"
    assert after == replace(thing, x=after.x)
    assert abs(after.x - thing.x) == pytest.approx(0.9)
    assert has_room(scene, thing, after.x)
    assert others(edit.scene, thing.kind) == others(scene, thing.kind)


@given(seed=SEEDS)
def test_an_added_thing_is_on_the_side_that_is_named_and_nothing_is_lost(seed):
    scene, beside, edit = edited(edits.add, seed)
    new = thing_of(edit.scene, edit.kind)
    side = "left" if new.x < beside.x else "right"
    assert edit.instruction == f"add {a(str(new))} on the {side}"
    assert edit.colour == new.paint.colour
    assert others(edit.scene, edit.kind) == list(scene.things)


@given(seed=SEEDS)
def test_a_thing_that_is_alone_is_not_removed(seed):
    rng = np.random.default_rng(seed)
    scene = make_scene(rng)
    assume(len(scene.things) == 1)
    assert edits.make_edit(scene, rng).scene.things
