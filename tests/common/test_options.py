"""A command has an option for each field of a model."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from onepic.common.options import with_options


class Colours(BaseModel):
    """Something that a command is given."""

    hue: float = Field(default=0.5, ge=0, description="Angle of the hue.")
    few_colours: int = Field(default=3, description="Number of colours.")


@pytest.fixture
def paint() -> Any:
    """`paint(*arguments)` runs a command, which prints what it is given."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command(help="Paint something.")
    @with_options("colours", Colours)
    def command(
        *,
        name: Annotated[str, typer.Argument()],
        colours: dict[str, Any],
        size: Annotated[int, typer.Option(help="Size of it.")] = 1,
    ) -> None:
        print(name, colours, size)

    return lambda *arguments: CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_what_is_used_is_given_by_field_and_the_rest_is_left_out(paint):
    assert paint("a").output == "a {} 1\n"
    assert paint("a", "--hue", "-2", "--size", "3").output == "a {'hue': -2.0} 3\n"
    assert paint("a", "--few-colours", "0").output == "a {'few_colours': 0} 1\n"


def test_the_help_says_what_the_fields_say_in_the_place_of_the_parameter(paint):
    text = " ".join(paint("--help").output.split())
    assert "Paint something." in text
    assert (
        "--hue <float> Angle of the hue. [default: (0.5)] "
        "--few-colours <int> Number of colours. [default: (3)] --size <int> Size of it."
    ) in text
    assert "--colours" not in text


def test_a_value_of_another_kind_is_refused(paint):
    result = paint("a", "--few-colours", "x")
    assert result.exit_code == 2
    assert "--few-colours" in result.output
