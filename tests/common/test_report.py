"""What a run tells, on a terminal and in a log."""

from __future__ import annotations

import io
import os
import pty
import sys

import pytest

from onepic.common import report
from onepic.common.report import Bar, Lines, Report, Silent, open_report


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


class Clock:
    """Time that passes only when told to."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(report, "time", clock)
    return clock


def test_lines_of_a_resumed_job_count_only_its_own_work_in_the_rate(capsys, clock):
    told = Lines()
    told.begin(400, done=200, verb="training", unit="steps")
    clock.now += 40
    told.advance(50, "loss 0.1234, 12.3 GB")
    assert capsys.readouterr().err == (
        "250/400 steps, 1.25 steps/s, 0:02:00 left, loss 0.1234, 12.3 GB\n"
    )


def test_other_figures_stand_until_the_next_ones(capsys, clock):
    told = Lines()
    told.begin(100)
    told.advance(10, "loss 2")
    clock.now += 10
    told.advance(10)
    told.advance(10, "loss 1")
    clock.now += 10
    told.advance(10)
    assert capsys.readouterr().err.splitlines() == [
        "20/100 rows, 2.00 rows/s, 0:00:40 left, loss 2",
        "40/100 rows, 2.00 rows/s, 0:00:30 left, loss 1",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(800, "0.0125"), (8, "1.25"), (0.8, "12.5"), (0.08, "125.0"), (0.008, "1250.0")],
)
def test_a_rate_has_three_digits_that_matter(capsys, clock, monkeypatch, seconds, shown):
    monkeypatch.setattr(report, "INTERVAL", 0)
    told = Lines()
    told.begin(20)
    clock.now += seconds
    told.advance(10)
    assert f"10/20 rows, {shown} rows/s, " in capsys.readouterr().err


def test_lines_do_not_guess_before_anything_is_done(capsys, clock):
    told = Lines()
    told.begin(20)
    clock.now += 10
    told.advance(0)
    assert capsys.readouterr().err == "0/20 rows, 0.0 rows/s\n"


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


def test_a_bar_of_a_resumed_job_tells_its_figures(capsys, clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    told = Bar()
    told.begin(400, done=200, verb="training", unit="steps")
    clock.now += 40
    told.advance(50, "loss [0.1234]")
    told.advance(0)
    told.end()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("training ")
    assert "250/400 steps, 1.25 steps/s, " in line
    assert line.rstrip().endswith("left, loss [0.1234]")


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
