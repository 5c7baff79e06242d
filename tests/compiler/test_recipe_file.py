"""A recipe's file: what it gives, and errors that lead to the line that must change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onepic.canvas.operations import OPERATIONS
from onepic.common.errors import RecipeError
from onepic.common.yaml_file import Override
from onepic.compiler.recipe import PanelSize, Recipe
from onepic.compiler.recipe_file import RECIPE as KIND
from onepic.compiler.recipe_file import read_recipe, recipe_from_data

RECIPE = """\
task: colorization
source: {kind: photos}
panels:
  grey: {from: image, apply: [grayscale, {canny: {low: 50}}]}
  colour:
    from: image
layout:
  - [grey, colour]
target: colour
prompt: "a {caption}"
"""
MINE = '''\
from typing import ClassVar

from onepic.compiler.operations import Operation, Picture, register


@register
class Mirror(Operation):
    """Left becomes right."""

    name: ClassVar[str] = "mirror_for_test"
    times: int = 1

    def apply(self, picture: Picture) -> Picture:
        return picture
'''

Read = Callable[..., Recipe]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recipe.yaml"


@pytest.fixture
def read(file: Path) -> Read:
    """`read(text, *sets)` writes a recipe and reads it with the values of ``--set``."""

    def write_and_read(text: str, *sets: str) -> Recipe:
        file.write_text(text, encoding="utf-8")
        return read_recipe(file, [Override.parse(each, KIND) for each in sets])

    return write_and_read


@pytest.fixture
def refused(read: Read) -> Callable[..., str]:
    """`refused(text, *sets)` is the message with which a recipe is refused."""

    def message(text: str, *sets: str) -> str:
        with pytest.raises(RecipeError) as raised:
            read(text, *sets)
        return str(raised.value)

    return message


@pytest.fixture
def without_mine() -> Iterator[None]:
    yield
    OPERATIONS.pop("mirror_for_test", None)


def changed(old: str, new: str) -> str:
    assert old in RECIPE
    return RECIPE.replace(old, new)


def test_a_recipe_is_read(read: Read) -> None:
    recipe = read(RECIPE)
    assert recipe.task == "colorization"
    assert recipe.layout == (("grey", "colour"),)
    assert [step.name for step in recipe.panels["grey"].apply] == ["grayscale", "canny"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("target: colour", "traget: colour", 9, "traget: unknown key; did you mean 'target'?"),
        ("from: image\nl", "form: image\nl", 6, "panels.colour.form: unknown key; did you mean 'f"),
        ("photos}", "photos, crop: 3}", 2, "source.crop: unknown key; did you mean 'crops'?"),
        ("photos}", "photos, crops: 0}", 2, "source.crops: Input should be greater"),
        ("low: 50", "lo: 50", 4, "panels.grey.apply.1: canny.lo: unknown key; did you mean 'low'"),
        ("[grayscale,", "[greyscale,", 4, "panels.grey.apply.0: unknown operation 'greyscale'; d"),
        ("- [grey, c", "- [gray, c", 7, "layout: row 1 names an unknown panel 'gray'; did you"),
        ("target: colour", "target: red", 9, "target: panel 'red' is not in the layout"),
        ("target: colour", "target: {mask: m}", 9, "target.panels: this key is required"),
        ("{caption}", "{caption", 10, "prompt: '{' at character 3 is not a column in braces"),
        ("[grey, colour]\n", "[grey, grey]\n", 5, "panels.colour: the layout does not show"),
        ("target:", "align: [img]\ntarget:", 9, "align: no panel is made from a column 'img'"),
    ],
)
def test_an_error_names_file_line_and_key(
    refused: Callable[..., str], file: Path, old: str, new: str, line: int, message: str
) -> None:
    assert refused(changed(old, new)).startswith(f"{file}:{line}: {message}")


def test_a_missing_key_is_named(refused: Callable[..., str], file: Path) -> None:
    assert refused(changed("task: colorization\n", "")) == f"{file}: task: this key is required"


def test_an_error_inside_a_size_names_its_keys(refused: Callable[..., str], file: Path) -> None:
    problems = refused(RECIPE + "panel_size:\n  width: 64\n  heigth: 64\n").splitlines()
    assert any(
        problem.startswith(f"{file}:13: panel_size.heigth: unknown key; did you mean 'height'?")
        for problem in problems
    )


def test_several_problems_are_told_at_once(refused: Callable[..., str], file: Path) -> None:
    problems = refused(RECIPE + "seed: -1\nlimit: many\nfit: croped\n").splitlines()
    places = sorted(problem.partition(": Input")[0] for problem in problems)
    assert places == [f"{file}:11: seed", f"{file}:12: limit", f"{file}:13: fit"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n- b\n", "colorization"])
def test_a_file_without_keys_says_which_are_expected(
    refused: Callable[..., str], file: Path, text: str
) -> None:
    assert refused(text) == (
        f"{file}: expected keys such as task, source, panels, layout and target"
    )


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    with pytest.raises(RecipeError, match=r"No such file or directory; expected a recipe in YAML"):
        read_recipe(file)


def test_set_replaces_and_adds_values(read: Read) -> None:
    recipe = read(
        RECIPE,
        "seed=7",
        "panel_size.width=64",
        "panel_size.height=32",
        "source={kind: folder, path: /data}",
        "prompt=nothing = {caption}",
        "panels.third={from: image}",
        "layout=[[grey, third, colour]]",
    )
    assert recipe.seed == 7
    assert recipe.panel_size == PanelSize(width=64, height=32)
    assert recipe.source.kind == "folder"
    assert recipe.prompt == "nothing = {caption}"
    assert recipe.layout == (("grey", "third", "colour"),)


def test_set_reaches_into_lists(read: Read) -> None:
    recipe = read(
        RECIPE,
        "panels.grey.apply.0=invert",
        "panels.grey.apply.1.canny.low=7",
        "layout.0.1=grey",
        "layout.0.0=colour",
    )
    invert, canny = recipe.panels["grey"].apply
    assert (invert.name, canny.model_dump()) == ("invert", {"low": 7, "high": 200})
    assert recipe.layout == (("colour", "grey"),)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("sed=1", "sed: unknown key; did you mean 'seed'?"),
        ("seed=-1", "seed: Input should be greater"),
        ("source.crop=1", "source.crop: unknown key; did you mean 'crops'?"),
        ("panels.grey.apply=[grey]", "panels.grey.apply.0: unknown operation 'grey'"),
        ("layout=[[gray, colour]]", "layout: row 1 names an unknown panel 'gray'"),
        ("target=red", "target: panel 'red' is not in the layout"),
        ("layout.0.2=grey", "layout.0 has 2 items, numbered from 0; 2 is none of them"),
        ("layout.first=grey", "layout has 1 items, numbered from 0; 'first' is none of them"),
        ("layout.0.5.x=1", "layout.0 has 2 items, numbered from 0; 5 is none of them"),
        ("layout.0.1.x=1", "layout.0.1 has no 'x' inside"),
        ("panels.grey.apply.0.noise.sigma=1", "panels.grey.apply.0 has no 'noise' inside"),
    ],
)
def test_an_error_of_set_names_the_option(
    refused: Callable[..., str], option: str, message: str
) -> None:
    assert refused(RECIPE, option).startswith(f"--set {option}: {message}")


@pytest.mark.parametrize("option", ["seed", "=1", "a..b=1", ".a=1"])
def test_set_without_key_or_value_shows_an_example(option: str) -> None:
    with pytest.raises(RecipeError, match=r"expected KEY\.KEY=VALUE, such as panel_size.width=512"):
        Override.parse(option, KIND)


@pytest.mark.usefixtures("without_mine")
def test_a_file_beside_the_recipe_adds_an_operation(read: Read, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = changed("[grayscale,", "[{mirror_for_test: {times: 2}},") + "operations: [mine.py]\n"
    recipe = read(text)
    assert recipe.panels["grey"].apply[0].model_dump() == {"times": 2}
    assert recipe_from_data(recipe.model_dump(by_alias=True), tmp_path) == recipe


@pytest.mark.usefixtures("without_mine")
def test_an_error_in_an_own_operation_names_its_place(
    refused: Callable[..., str], file: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    text = changed("[grayscale,", "[{mirror_for_test: {time: 2}},") + "operations: [mine.py]\n"
    assert refused(text).startswith(
        f"{file}:4: panels.grey.apply.0: mirror_for_test.time: unknown key; did you mean 'times'?"
    )


def test_a_missing_file_of_operations_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    message = refused(RECIPE + "operations: [missing.py]\n")
    assert f"operations file {tmp_path / 'missing.py'} does not exist" in message


def test_operations_that_are_no_list_are_an_error_of_their_line(
    refused: Callable[..., str], file: Path
) -> None:
    assert refused(RECIPE + "operations: mine.py\n").startswith(f"{file}:11: operations: ")
