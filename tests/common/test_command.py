"""Every command ends alike."""

from __future__ import annotations

import pytest
import typer

from onepic.common.command import ending, fail
from onepic.common.errors import RecipeError, RunError

TOKEN = "hf_abcdefghijklmnopqrstuvwx"


@pytest.mark.parametrize(("error", "code"), [(RecipeError("wrong"), 2), (RunError("broken"), 1)])
def test_an_error_is_a_line_and_its_exit_code(capsys, error, code):
    with pytest.raises(typer.Exit) as exited, ending("onepic-x", "stopped"):
        raise error
    assert exited.value.exit_code == code
    assert capsys.readouterr().err == f"onepic-x: {error}\n"


def test_ctrl_c_says_what_was_kept(capsys):
    with pytest.raises(typer.Exit) as exited, ending("onepic-x", "stopped; all is kept"):
        raise KeyboardInterrupt
    assert exited.value.exit_code == 130
    assert capsys.readouterr().err == "onepic-x: stopped; all is kept\n"


def test_debug_shows_where_an_error_was_raised_and_no_token_of_its_causes(capsys):
    error = RunError(f"it failed with {TOKEN}")
    error.__cause__ = ValueError(f"Bearer {TOKEN}")
    with pytest.raises(typer.Exit), ending("onepic-x", "stopped", debug=True):
        raise error
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "ValueError" in shown
    assert TOKEN not in shown


def test_a_command_that_fails_by_itself_shows_no_password(capsys):
    with pytest.raises(typer.Exit):
        fail("onepic-x", "https://me:secret@host/data: not there", 2)
    assert capsys.readouterr().err == "onepic-x: https://host/data: not there\n"


def test_a_defect_of_ours_is_shown_in_full_but_for_secrets(capsys):
    with pytest.raises(typer.Exit) as exited, ending("onepic-x", "stopped"):
        raise ZeroDivisionError("at https://me:secret@host/data?sig=secret")
    assert exited.value.exit_code == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "ZeroDivisionError: at https://host/data" in shown
    assert "sig=" not in shown


def test_the_exit_of_a_command_is_its_own():
    with pytest.raises(typer.Exit) as exited, ending("onepic-x", "stopped"):
        raise typer.Exit(3)
    assert exited.value.exit_code == 3
