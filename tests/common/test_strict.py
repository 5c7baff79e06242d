"""Settings that accept only the keys they know."""

from onepic.common.strict import suggest


def test_a_name_like_no_other_still_brings_the_known_ones() -> None:
    assert suggest("zzz", ["a", "b"]) == "known: a, b"
    assert suggest("zzz", []) == "known: none"
