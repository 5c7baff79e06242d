"""What is asked for of a remote file has all that is needed, in few requests."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onepic.dataset.stores.parts import REQUEST, Part, cut, is_whole_quicker, spans_of

PARTS = st.lists(
    st.builds(Part, st.integers(0, 8 * REQUEST), st.integers(0, REQUEST)), min_size=1, max_size=12
)


@given(PARTS)
def test_every_part_is_in_a_span_and_spans_lie_far_apart(parts):
    spans = spans_of(parts)
    for part in parts:
        assert any(s.offset <= part.offset and part.end <= s.end for s in spans)
    assert all(after.offset - before.end > REQUEST for before, after in pairwise(spans))
    assert sum(s.size for s in spans) <= sum(p.size for p in parts) + REQUEST * len(parts)


@given(
    st.lists(st.builds(Part, st.integers(0, 90), st.integers(0, 20)), min_size=1, max_size=6),
    st.integers(0, 100),
)
def test_parts_come_in_their_order_and_end_where_the_file_does(parts, size):
    file = bytes(range(size))
    spans = spans_of(parts)
    data = [file[span.offset : span.end] for span in spans]
    assert cut(parts, spans, data) == [file[part.offset : part.end] for part in parts]


def test_a_sample_of_a_large_shard_is_asked_for_alone():
    assert not is_whole_quicker([Part(5_000_000, 140_000)], 36_000_000)


def test_a_shard_of_which_most_is_needed_is_fetched_whole():
    assert is_whole_quicker([Part(512, 90_000)], 102_400)
    samples = [Part(number * 420_000, 140_000) for number in range(64)]
    assert is_whole_quicker(spans_of(samples), 30_000_000)
    assert not is_whole_quicker(spans_of(samples[:20]), 36_000_000)
