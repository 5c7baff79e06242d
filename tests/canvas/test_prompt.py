"""Prompts are the recipe's text with the row's texts in the places of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onepic.canvas.prompt import PromptField, PromptTemplate
from onepic.common.errors import RowError


def filled(template: str, **values: Any) -> str:
    return PromptTemplate.parse(template).fill(values)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{caption}", "a cat"),
        ("colorize: {caption}!", "colorize: a cat!"),
        ("{caption}{caption}", "a cata cat"),
        ("{ caption }", "a cat"),
        ("{caption|unused}", "a cat"),
        ("{style|plain} {caption}", "plain a cat"),
        ("{style| in plain style}", "in plain style"),
        ("{caption}{style|}", "a cat"),
        ("{style|a|b}", "a|b"),
        ("", ""),
    ],
)
def test_a_column_in_braces_gives_the_rows_text_or_its_default(
    template: str, expected: str
) -> None:
    assert filled(template, caption="a cat", style=None) == expected


def test_the_columns_and_their_defaults_are_known_in_order() -> None:
    template = PromptTemplate.parse("{{no}} {b|x y} then {a} {c|}")
    assert template.fields == (
        PromptField("b", "x y"),
        PromptField("a", None),
        PromptField("c", ""),
    )


def test_doubled_braces_stand_for_themselves() -> None:
    assert filled("{{caption}} {{ }}", caption="a cat") == "{caption} { }"
    assert filled("{{{caption}}}", caption="a cat") == "{a cat}"


@pytest.mark.parametrize("value", ["{style}", "{{", "a | b", "}"])
def test_what_a_row_says_is_not_a_template(value: str) -> None:
    assert filled("{caption}", caption=value, style="blue") == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [("  a\n\n cat\t", "a cat"), (3, "3"), (0, "0"), (2.5, "2.5"), (True, "True")],
)
def test_a_value_is_a_line_of_text(value: Any, expected: str) -> None:
    assert filled("[{caption}]", caption=value) == f"[{expected}]"


def test_a_prompt_has_no_space_around_it() -> None:
    assert filled(" {caption} \n", caption="a cat") == "a cat"


@pytest.mark.parametrize("values", [{}, {"caption": None}, {"caption": " \n"}])
def test_a_row_without_a_text_is_refused_saying_what_to_do(values: dict[str, Any]) -> None:
    with pytest.raises(RowError, match=r"column 'caption' is empty.*\{caption\|\.\.\.\}") as raised:
        filled("{caption}", **values)
    assert raised.value.stage == "prompt"


@pytest.mark.parametrize(
    ("template", "brace", "place"),
    [
        ("a {caption", "{", 3),
        ("caption}", "}", 8),
        ("{}", "{}", 1),
        ("{ }", "{ }", 1),
        ("{|x}", "{|x}", 1),
        ("{a{b}", "{", 1),
        ("{{a}", "}", 4),
    ],
)
def test_a_brace_without_column_or_partner_is_refused_saying_where(
    template: str, brace: str, place: int
) -> None:
    with pytest.raises(ValueError, match="not a column in braces") as raised:
        PromptTemplate.parse(template)
    assert str(raised.value).startswith(f"{brace!r} at character {place} ")


@given(st.text().filter(lambda text: not set("{}") & set(text)))
def test_text_without_braces_is_its_own_template(text: str) -> None:
    assert filled(text) == text.strip()
    assert PromptTemplate.parse(text).fields == ()


@given(st.text(st.sampled_from("{}| a\n") | st.characters()))
def test_any_text_can_be_written_with_doubled_braces(text: str) -> None:
    assert filled(escaped(text)) == text.strip()


@given(st.text("{}|a "))
def test_a_template_that_was_read_can_be_written_again(template: str) -> None:
    try:
        parsed = PromptTemplate.parse(template)
    except ValueError:
        return
    written = "".join(
        escaped(part)
        if isinstance(part, str)
        else "{" + part.column + ("" if part.default is None else f"|{part.default}") + "}"
        for part in parsed.parts
    )
    values = {field.column: "x" for field in parsed.fields}
    assert PromptTemplate.parse(written).fill(values) == parsed.fill(values)


def test_of_several_texts_the_seed_takes_one() -> None:
    template = PromptTemplate.parse("look: {caption}")
    texts = ("a cat", "a tabby", "an animal")
    taken = {template.fill({"caption": texts}, seed) for seed in range(30)}
    assert taken == {f"look: {text}" for text in texts}
    assert template.fill({"caption": texts}, 7) == template.fill({"caption": texts}, 7)


def test_no_text_among_several_takes_the_default() -> None:
    assert filled("{caption|nothing}", caption=()) == "nothing"
    with pytest.raises(RowError, match="column 'caption' is empty"):
        filled("{caption}", caption=())


NO_TEXTS = [
    *(
        None,
        float("nan"),
        np.float32("nan"),
        "NaN",
        "nan",
        "None",
        "null",
        "NULL",
        "<NA>",
        " None\n",
    ),
    *("\u200b", "\ufeff\u200b", "\u2060\u00ad", "\u2800", "\u3164", "\x00", ("", "NaN"), ()),
]


@pytest.mark.parametrize("value", NO_TEXTS)
def test_what_stands_for_no_value_takes_the_default(value: Any) -> None:
    template = PromptTemplate.parse("{style|} {caption|nothing}")
    assert template.fill({"caption": value}) == "nothing"
    assert template.defaulted({"caption": value, "style": "oil"}) == ("caption",)


@pytest.mark.parametrize(
    "value", ["none", "N/A", "-1", -1, 0, "nano", "None of them", "👩\u200d👧"]
)
def test_what_people_write_is_a_text(value: Any) -> None:
    template = PromptTemplate.parse("{caption|nothing}")
    assert template.fill({"caption": value}) == str(value)
    assert template.defaulted({"caption": value}) == ()


def test_a_field_without_a_default_has_none_to_take() -> None:
    assert PromptTemplate.parse("{caption}").defaulted({}) == ()
    with pytest.raises(RowError, match="column 'caption' holds 'NaN', which stands for no text"):
        filled("{caption}", caption="NaN")


def test_of_several_texts_only_those_that_say_something_are_taken() -> None:
    template = PromptTemplate.parse("{caption|nothing}")
    taken = {template.fill({"caption": ("a cat", "NaN", "")}, seed) for seed in range(9)}
    assert taken == {"a cat"}
