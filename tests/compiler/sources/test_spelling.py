import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from onepic.compiler.sources.spelling import alike, natural

NAMES = st.text(max_size=12)


def test_numbers_in_names_are_counted():
    names = ["page10", "page2", "page1b", "page1", "p/10/1", "p/9/1", "page02"]
    expected = ["p/9/1", "p/10/1", "page1", "page1b", "page02", "page2", "page10"]
    assert sorted(names, key=natural) == expected


@given(st.lists(NAMES))
def test_every_list_of_names_has_one_natural_order(names):
    backwards = names[::-1]
    assert sorted(names, key=natural) == sorted(backwards, key=natural)


@given(st.lists(st.integers(0, 999), unique=True))
def test_padded_names_keep_their_plain_order(numbers):
    names = [f"frame_{number:03d}.png" for number in numbers]
    assert sorted(names, key=natural) == sorted(names)


@given(st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=12))
def test_a_name_is_alike_to_its_other_spellings(name):
    assert alike(name) == alike(unicodedata.normalize("NFD", name)) == alike(f"{name} ")
    assert alike(name.casefold()) == alike(name)
