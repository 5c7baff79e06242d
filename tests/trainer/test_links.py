"""Samples belong together by their groups, and by the pictures that are to be learned."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.canvas.sharing import PLAIN
from onepic.dataset.index import SCHEMA, SHARED
from onepic.dataset.names import shard_path
from onepic.trainer.canvases import open_canvases
from onepic.trainer.links import count_known, find_sets, nothing_shared, read_shared

Images = Sequence[Sequence[int]]


def table(targets: Images, contexts: Images = (), groups: Sequence[str | None] = ()) -> pa.Table:
    """What samples share, one after the other; missing groups and contexts are empty."""
    rows = [
        {
            "group": groups[number] if groups else None,
            "target_images": target,
            "context_images": contexts[number] if contexts else [],
        }
        for number, target in enumerate(targets)
    ]
    return pa.Table.from_pylist(rows, pa.schema([SCHEMA.field(name) for name in SHARED]))


def sets(*args: object, **kwargs: object) -> list[int]:
    return find_sets([table(*args, **kwargs)])[0].tolist()


def test_samples_that_share_nothing_are_on_their_own():
    assert sets([[1], [2], [3]], [[4], [5], [6]]) == [0, 1, 2]


def test_samples_of_one_declared_group_belong_together():
    assert sets([[1], [2], [3], [4]], groups=["b", "a", "b", None]) == [0, 1, 0, 2]


def test_rows_without_a_group_are_no_group():
    assert sets([[1], [2]], groups=[None, None]) == [0, 1]


def test_the_same_target_belongs_together_by_any_of_its_numbers():
    assert sets([[1, 10], [2, 20], [3, 10], [1, 30]]) == [0, 1, 0, 0]


def test_a_target_in_another_one_s_context_belongs_together():
    assert sets([[1], [2], [3]], [[9], [1], [8]]) == [0, 0, 1]


def test_a_picture_in_contexts_alone_ties_nothing():
    assert sets([[1], [2], [3]], [[7], [7], [7]]) == [0, 1, 2]


def test_targets_of_one_colour_tie_nothing():
    assert sets([[PLAIN, 1], [PLAIN, 2], [3]], [[], [], [PLAIN]]) == [0, 1, 2]


def test_turns_that_go_on_from_each_other_belong_together_from_end_to_end():
    assert sets([[1], [2], [3], [4]], [[0], [1], [2], [8]]) == [0, 0, 0, 1]


def test_pictures_tie_samples_of_several_datasets_and_names_of_groups_do_not():
    first = table([[1], [2]], groups=["a", "b"])
    second = table([[3], [4], [5]], [[], [2], []], groups=["a", "c", "c"])
    found = find_sets([first, nothing_shared(2), second])
    assert [of.tolist() for of in found] == [[0, 1], [2, 3], [4, 1, 1]]


@given(
    st.lists(
        st.tuples(
            st.sets(st.integers(1, 20), max_size=2),
            st.sets(st.integers(1, 20), max_size=2),
            st.sampled_from([None, None, "a", "b"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_target_stands_in_a_sample_of_another_set(rows):
    targets, contexts, groups = (list(column) for column in zip(*rows, strict=True))
    found = sets([[*t] for t in targets], [[*c] for c in contexts], groups)
    assert list(dict.fromkeys(found)) == list(range(len(set(found))))
    for one, own in enumerate(found):
        for other, theirs in enumerate(found):
            is_seen = targets[one] & (targets[other] | contexts[other])
            if own != theirs:
                assert not is_seen
                assert groups[one] is None or groups[one] != groups[other]


def test_repeated_targets_are_counted_by_sample():
    training = [table([[1, 10]], [[2]]), table([[3]])]
    assert count_known(table([[1], [2], [3], [5, 10], [6], [PLAIN]]), training) == 4


def test_a_dataset_says_what_its_samples_share(compiled_colours):
    found = read_shared(open_canvases(compiled_colours))
    assert found.num_rows == 24
    assert find_sets([found])[0].tolist() == list(range(24))


@pytest.mark.parametrize("shards", [(0,), (0, 1, 2)])
def test_where_an_index_is_from_before_it_is_not_known(write_dataset, make_older, tmp_path, shards):
    folder = write_dataset(tmp_path / "data", [3, 0, 3])
    assert read_shared(open_canvases(folder)).num_rows == 6
    for number in shards:
        make_older(shard_path(folder, number, ".parquet"))
    assert read_shared(open_canvases(folder)) is None
