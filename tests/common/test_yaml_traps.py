"""What YAML reads otherwise than it looks is refused, or told with the quotes that it lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from onepic.common.errors import RecipeError, SettingsError
from onepic.common.yaml_file import Override
from onepic.compiler.recipe import Recipe
from onepic.compiler.recipe_file import RECIPE, read_recipe
from onepic.trainer.settings import SETTINGS, read_settings

LINES = """\
task: colours
source: {kind: photos}
panels: {grey: {from: image}, colour: {from: image}}
layout: [[grey, colour]]
target: colour
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Recipe]:
    """`read(text, *sets)` reads a recipe that ends with a text, in line 6."""

    def write_and_read(text: str, *sets: str) -> Recipe:
        file = tmp_path / "recipe.yaml"
        file.write_text(LINES + text)
        return read_recipe(file, [Override.parse(each, RECIPE) for each in sets])

    return write_and_read


def refusal(read: Callable[..., Recipe], *arguments: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 010", 'seed: 010 is the number 8 in YAML; for the text write "010"'),
        ("seed: 000000003", "seed: 000000003 is the number 3"),
        ("seed: 1:20", 'seed: 1:20 is the number 80 in YAML; for the text write "1:20"'),
        ("max_rejected: 1:20.5", "max_rejected: 1:20.5 is the number 80.5"),
        ("panel_size: {width: 010}", "panel_size.width: 010 is the number 8"),
        ("align: [010]", "align.0: 010 is the number 8"),
        ("background: #fff", "background: '#fff' is a comment in YAML, so nothing is given; if "),
        ("revision: #1", "revision: '#1' is a comment in YAML"),
        ("align:\n  - #fff", "align.0: '#fff' is a comment in YAML"),
        ("yes: 1", 'yes: as a key, yes is true in YAML; for the text write "yes"'),
        ("masks: {no: box}", 'masks.no: as a key, no is false in YAML; for the text write "no"'),
        ("masks: {off: box}", "masks.off: as a key, off is false"),
        ("masks: {null: box}", "masks.null: as a key, null is nothing"),
        ("masks: {1:20: box}", "masks.1:20: as a key, 1:20 is the number 80"),
        ("masks: {1.5: box}", "masks.1.5: as a key, 1.5 is the number 1.5"),
    ],
)
def test_what_is_never_meant_is_refused_with_line_and_key(read, text, expected):
    line = 6 + text.count("\n")
    assert f"recipe.yaml:{line}: {expected}" in refusal(read, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt: {caption}", '{caption} is a mapping in YAML; for the text write "{caption}"'),
        ("prompt: {caption|a cat}", 'for the text write "{caption|a cat}"'),
        ("prompt: yes", 'yes is true in YAML; for the text write "yes"'),
        ("prompt: off", "off is false in YAML"),
        ("prompt: 42", "42 is the number 42 in YAML"),
        ("prompt: 1.0e-3", "1.0e-3 is the number 0.001 in YAML"),
        ("prompt: null", "null is nothing in YAML"),
        ("prompt: 2024-01-02", '2024-01-02 is a date in YAML; for the text write "2024-01-02"'),
    ],
)
def test_a_value_that_is_no_text_where_one_is_expected_is_told_how_to_become_one(
    read, text, expected
):
    found = refusal(read, text)
    assert "recipe.yaml:6: prompt: Input should be a valid string; " in found
    assert expected in found


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "prompt: {caption}, a photo",
            'prompt: "{caption}, a photo"',
        ),
        ("prompt: {caption} of {x}", 'prompt: "{caption} of {x}"'),
        ("prompt: a photo: {x}", 'prompt: "a photo: {x}"'),
        ('prompt: a "photo": {x}', "prompt: 'a \"photo\": {x}'"),
        ("prompt: @home", 'prompt: "@home"'),
        ("prompt: %s", 'prompt: "%s"'),
        ("prompt: *star", 'prompt: "*star"'),
        ("prompt: 'a' photo", "prompt: \"'a' photo\""),
        ('model: "C:\\xl"', "a backslash means itself in single quotes only: model: 'C:\\xl'"),
        ("align: [#fff, image]", "'#fff' begins a comment; put it in quotes: \"#fff\""),
        ("\tseed: 1", "the line is indented by a tab; use blanks"),
    ],
)
def test_a_line_on_which_yaml_fails_is_shown_as_it_should_be(read, text, hint):
    found = refusal(read, text)
    assert "not valid YAML" in found
    asked = "put the whole text in quotes: " if hint.startswith("prompt") else ""
    assert f"recipe.yaml:6: {asked}{hint}" in found


def test_a_key_that_is_there_twice_is_told_with_both_lines(read):
    assert "recipe.yaml:7: seed is there twice (first in line 6)" in refusal(
        read, "seed: 1\nseed: 2"
    )


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("max_rejected: 1e-3", "max_rejected", 0.001),  # a text in YAML 1.1, and a number here
        ("max_rejected: 1E-3", "max_rejected", 0.001),
        ("seed: 0", "seed", 0),
        ("limit: null  # all", "limit", None),
        ("prompt: '010'", "prompt", "010"),
        ('prompt: "{caption}"', "prompt", "{caption}"),
        ("prompt: a cat #1", "prompt", "a cat"),
        ("limit: #all\n  7", "limit", 7),
        ('background: "#fff"', "background", (255, 255, 255)),
    ],
)
def test_what_is_written_as_it_is_meant_is_read(read, text, key, value):
    assert getattr(read(text), key) == value


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("seed=010", "--set seed=010: 010 is the number 8 in YAML"),
        ("background=#fff", "'#fff' is a comment in YAML; for the text write --set 'background="),
        ("prompt={caption}", "a mapping in YAML; for the text write --set 'prompt=\"{caption}\"'"),
        ("prompt=a: b", "a: b is a mapping in YAML; for the text write --set 'prompt=\"a: b\"'"),
        ("prompt=yes", "yes is true in YAML; for the text write --set 'prompt=\"yes\"'"),
        ("target={panel: colour, mask: no}", "target.mask: Input should be a valid string; no is"),
        ("prompt={caption}, b", 'put the whole text in quotes: prompt: "{caption}, b"'),
    ],
)
def test_options_are_told_the_same(read, option, expected):
    assert expected in refusal(read, "", option)


def test_an_option_that_holds_itself_is_refused():
    with pytest.raises(RecipeError, match="a YAML alias refers to itself"):
        Override.parse("align=&x [*x]", RECIPE)


def test_an_option_may_be_a_mapping_without_braces_and_replaces_what_was_hinted_at(read):
    assert read("prompt: {caption}", 'prompt="{caption}"').prompt == "{caption}"
    assert read("", "panel_size=width: 64\nheight: 32").panel_size.width == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("steps: 010", "train.yaml:1: steps: 010 is the number 8"),
        ("schedule: on", "schedule: Input should be 'constant'"),
        ("schedule: on", 'on is true in YAML; for the text write "on"'),
        ("skip_samples: [000000003]", "skip_samples.0: 000000003 is the number 3 in YAML; for the"),
        ("skip_samples: [17]", "skip_samples.0: Input should be a valid string; 17 is the number"),
        ("model: #1", "train.yaml:1: model: '#1' is a comment"),
    ],
)
def test_settings_of_a_training_run_are_told_the_same(tmp_path, text, expected):
    file = tmp_path / "train.yaml"
    file.write_text(text + "\n")
    with pytest.raises((SettingsError, ValidationError)) as caught:
        read_settings(file)
    assert expected in str(caught.value)


def test_settings_read_what_is_meant(tmp_path):
    file = tmp_path / "train.yaml"
    file.write_text("learning_rate: 1e-3\nprecision: no\ngradient_checkpointing: off\n")
    settings = read_settings(file, [Override.parse("weight_decay=1e-2", SETTINGS)])
    assert (settings.learning_rate, settings.weight_decay) == (1e-3, 1e-2)
    assert (settings.precision, settings.gradient_checkpointing) == ("no", False)
