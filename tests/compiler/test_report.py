"""What a run tells, on a terminal and in a log."""

from __future__ import annotations

import io
import os
import pty
import sys

from onepic.compiler import report
from onepic.compiler.report import Bar, Lines, Report, Silent, open_report


def go_through(told: Report) -> None:
    """A short run, as the compiler tells of it."""
    told.note("6 rows in 3 shards")
    told.begin(6)
    for _ in range(3):
        told.advance(2)
    told.end()


def test_lines_tell_rows_rate_and_time_left_on_stderr(capsys, monkeypatch):
    monkeypatch.setattr(report, "INTERVAL", 0)
    go_through(Lines())
    captured = capsys.readouterr()
    assert captured.out == ""
    note, first, _, last = captured.err.splitlines()
    assert note == "6 rows in 3 shards"
    assert first.startswith("2/6 rows, ")
    assert first.endswith(" left")
    assert " rows/s, " in first
    assert last.startswith("6/6 rows, ")
    assert last.endswith(" rows/s, 0:00:00 left")


def test_lines_are_rare(capsys):
    go_through(Lines())
    assert capsys.readouterr().err == "6 rows in 3 shards\n"


def test_a_report_can_end_before_it_began(capsys):
    for told in (Silent(), Lines(), Bar()):
        told.end()
    assert capsys.readouterr().out == ""


def test_silence_is_silent(capsys):
    go_through(Silent())
    assert capsys.readouterr() == ("", "")


def test_a_bar_where_there_is_no_terminal_tells_the_end(capsys):
    go_through(Bar())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "6 rows in 3 shards" in captured.err
    assert "6/6" in captured.err


def test_notes_are_printed_as_they_are(capsys):
    for told in (Lines(), Bar()):
        told.note("shard 00001: [bold]x.png[/bold] changed")
        assert "[bold]x.png[/bold]" in capsys.readouterr().err


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(open_report(), Lines)
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert isinstance(open_report(), Bar)
    os.close(leader)
