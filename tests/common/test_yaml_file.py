"""A YAML file and its overrides: the data, and errors that lead to what must change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field, ValidationError, model_validator

from onepic.common.errors import SettingsError
from onepic.common.strict import Strict
from onepic.common.yaml_file import Document, Kind, Override, read_document

KIND = Kind("settings of a garden", "plants, water and rows", "water.litres=2", SettingsError)
GARDEN = """\
plants: [rose, {name: fern}]
water:
  litres: 1
rows: 3
"""


class Water(Strict):
    """How much, and how often."""

    litres: float = Field(gt=0)
    days: int = 1


class Garden(Strict):
    """A model that takes some of what files here say."""

    plants: tuple[str, ...] = ()
    water: Water
    rows: int = 1

    @model_validator(mode="after")
    def _check_rows(self) -> Garden:
        if self.rows > 5:
            raise ValueError(f"rows: {self.rows} are too many for {self.water.litres:g} litres")
        return self


Read = Callable[..., Document]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "garden.yaml"


@pytest.fixture
def read(file: Path) -> Read:
    """`read(text, *sets)` writes a file and reads it with the values of ``--set``."""

    def write_and_read(text: str, *sets: str) -> Document:
        file.write_text(text, encoding="utf-8")
        return read_document(file, KIND, overrides(*sets))

    return write_and_read


@pytest.fixture
def refused(read: Read) -> Callable[..., str]:
    """`refused(text, *sets)` is the message with which a file is refused."""

    def message(text: str, *sets: str) -> str:
        with pytest.raises(SettingsError) as raised:
            read(text, *sets)
        return str(raised.value)

    return message


def overrides(*sets: str) -> list[Override]:
    return [Override.parse(text, KIND) for text in sets]


def explained(document: Document) -> list[str]:
    """The lines that say why a document is no garden."""
    with pytest.raises(ValidationError) as raised:
        Garden.model_validate(document.data)
    return document.explain(raised.value).splitlines()


def test_a_document_holds_the_files_data(read: Read) -> None:
    document = read(GARDEN)
    assert document.data == {
        "plants": ["rose", {"name": "fern"}],
        "water": {"litres": 1},
        "rows": 3,
    }


def test_each_problem_is_told_with_file_line_and_key(read: Read, file: Path) -> None:
    problems = explained(read("rows: many\nwater:\n  litres: 0\n  days: one\nplants: rose\n"))
    assert sorted(problem.partition(": Input")[0] for problem in problems) == [
        f"{file}:1: rows",
        f"{file}:3: water.litres",
        f"{file}:4: water.days",
        f"{file}:5: plants",
    ]


def test_an_unknown_key_is_told_with_the_closest_one(read: Read, file: Path) -> None:
    assert explained(read("water:\n  litres: 1\n  day: 1\n")) == [
        f"{file}:3: water.day: unknown key; did you mean 'days'? known: litres, days"
    ]


def test_a_missing_key_is_told_with_its_parents_line(read: Read, file: Path) -> None:
    assert explained(read("rows: 2\n")) == [f"{file}: water: this key is required"]
    assert explained(read("rows: 2\nwater: {days: 2}\n")) == [
        f"{file}:2: water.litres: this key is required"
    ]


def test_a_check_of_several_keys_is_told_at_the_key_it_begins_with(read: Read, file: Path) -> None:
    assert explained(read("water: {litres: 1}\nrows: 6\n")) == [
        f"{file}:2: rows: 6 are too many for 1 litres"
    ]


def test_what_an_override_set_is_told_with_the_option(read: Read, file: Path) -> None:
    assert explained(read(GARDEN, "plants=[]", "water={days: 2}", "rows=6")) == [
        "--set water={days: 2}: water.litres: this key is required"
    ]
    assert explained(read(GARDEN, "plants=[]", "rows=6")) == [
        "--set rows=6: rows: 6 are too many for 1 litres"
    ]


def test_without_a_file_there_are_the_overrides() -> None:
    document = read_document(None, KIND, overrides("water.litres=2", "plants=[rose]"))
    garden = Garden.model_validate(document.data)
    assert garden == Garden(plants=("rose",), water=Water(litres=2))


def test_without_a_file_problems_are_told_with_the_option_or_the_key_alone() -> None:
    assert explained(read_document(None, KIND)) == ["water: this key is required"]
    assert explained(read_document(None, KIND, overrides("rows=many"))) == [
        "water: this key is required",
        "--set rows=many: rows: Input should be a valid integer, unable to parse string as an "
        "integer",
    ]
    assert explained(read_document(None, KIND, overrides("water.days=2"))) == [
        "water.litres: this key is required"
    ]


def test_a_key_that_is_there_twice_is_named_with_both_lines(
    refused: Callable[..., str], file: Path
) -> None:
    assert refused(GARDEN + "rows: 4\n") == f"{file}:5: rows is there twice (first in line 4)"
    assert refused(GARDEN.replace("  litres: 1\n", "  litres: 1\n  litres: 2\n")) == (
        f"{file}:4: water.litres is there twice (first in line 3)"
    )


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "task: x\n\ttab: y", "a: !!python/name:x y"])
def test_what_is_not_plain_yaml_is_refused(
    refused: Callable[..., str], file: Path, text: str
) -> None:
    message = refused(text)
    assert message.startswith(f"{file}: not valid YAML: ")
    assert "line " in message


@pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}", "a: &x {<<: *x}"])
def test_what_holds_itself_is_refused(refused: Callable[..., str], file: Path, text: str) -> None:
    assert refused(text).startswith(f"{file}: ")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "rose"])
def test_a_file_without_keys_says_which_are_expected(
    refused: Callable[..., str], file: Path, text: str
) -> None:
    assert refused(text) == f"{file}: expected keys such as plants, water and rows"


def test_a_file_that_is_not_utf8_is_refused(file: Path) -> None:
    file.write_bytes(b"plants: [ros\xe9]\n")
    with pytest.raises(SettingsError, match=r"garden\.yaml: not UTF-8 text; expected settings of"):
        read_document(file, KIND)


def test_a_file_that_is_not_there_and_a_folder_are_named(file: Path) -> None:
    expected = "expected settings of a garden in YAML"
    with pytest.raises(SettingsError, match=rf"garden\.yaml: No such file or dire.*; {expected}"):
        read_document(file, KIND)
    with pytest.raises(SettingsError, match=f"{file.parent}: Is a directory; {expected}"):
        read_document(file.parent, KIND)


def test_a_later_set_goes_into_an_earlier_one(read: Read) -> None:
    document = read(GARDEN, "plants=[{name: ivy}]", "plants.0.name=moss")
    assert document.data["plants"] == [{"name": "moss"}]


def test_set_makes_mappings_on_its_way(read: Read) -> None:
    document = read(GARDEN, "a.b.c=1", "rows.d=2")
    assert document.data["a"] == {"b": {"c": 1}}
    assert document.data["rows"] == {"d": 2}


def test_set_changes_only_one_of_two_that_share_an_anchor(read: Read) -> None:
    document = read("front: &bed {rows: 1}\nback: *bed\n", "front.rows=2")
    assert document.data == {"front": {"rows": 2}, "back": {"rows": 1}}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("plants.2=ivy", "plants has 2 items, numbered from 0; 2 is none of them"),
        ("plants.first=ivy", "plants has 2 items, numbered from 0; 'first' is none of them"),
        ("plants.0.name=ivy", "plants.0 has no 'name' inside"),
    ],
)
def test_a_set_that_leads_nowhere_is_refused(
    refused: Callable[..., str], option: str, message: str
) -> None:
    assert refused(GARDEN, option) == f"--set {option}: {message}"


@pytest.mark.parametrize("option", ["rows", "=1", "a..b=1", ".a=1"])
def test_set_without_key_or_value_shows_an_example(option: str) -> None:
    with pytest.raises(SettingsError, match=r"expected KEY\.KEY=VALUE, such as water\.litres=2"):
        Override.parse(option, KIND)


def test_a_value_of_set_is_yaml() -> None:
    assert overrides("a.0.b=[1, {c: null}]") == [
        Override(("a", 0, "b"), [1, {"c": None}], "--set a.0.b=[1, {c: null}]")
    ]
    with pytest.raises(SettingsError, match=r"--set a=\[: the value is not YAML"):
        Override.parse("a=[", KIND)
