"""Findings are told with all that one needs to know, doubts before notes."""

from __future__ import annotations

from onepic.canvas.findings import KINDS, Count, Finding
from onepic.dataset.remarks import doubts_in, remark_lines, remarks_of

READ = Finding("mask-reading", "mask edit: values 0 and 1")
FLAT, LEVELS = Finding("flat-panel", "panel 'a': one colour"), Finding("flat-panel", "few levels")
COPY = Finding("copied-target", "panels 'a' and 'b'")


def lines(counts) -> list[str]:
    return list(remark_lines(remarks_of(counts)))


def test_doubts_come_first_in_the_order_of_kinds_and_notes_after():
    counts = {READ: Count(9, ()), FLAT: Count(1, ()), COPY: Count(2, ()), LEVELS: Count(5, ())}
    told = [(remark.kind, remark.about) for remark in remarks_of(counts)]
    assert told == [
        ("copied-target", "panels 'a' and 'b'"),
        ("flat-panel", "few levels"),
        ("flat-panel", "panel 'a': one colour"),
        ("mask-reading", "mask edit: values 0 and 1"),
    ]


def test_each_kind_is_told_with_its_counts_its_examples_and_what_to_do():
    counts = {FLAT: Count(1200, ("a.png", "b.png", "c.png")), LEVELS: Count(2, ("d", "e"))}
    assert lines(counts) == [
        f"doubt: {KINDS['flat-panel'].text}",
        "  panel 'a': one colour: 1,200 (a.png, b.png, c.png, ...)",
        "  few levels: 2 (d, e)",
        f"  what to do: {KINDS['flat-panel'].advice}",
    ]
    assert lines({READ: Count(3, ())})[:2] == [
        "note: how a mask was read",
        "  mask edit: values 0 and 1: 3",
    ]
    assert lines({}) == []


def test_many_findings_of_a_kind_are_summed_up():
    counts = {Finding("flat-panel", f"panel {n:02d}"): Count(2, ()) for n in range(11)}
    assert lines(counts)[-2] == "  3 others: 6"


def test_names_from_data_cannot_reach_the_terminal():
    (line,) = lines({Finding("flat-panel", "panel \x1b[31m"): Count(1, ("a\nb\u202e.png",))})[1:2]
    assert line == "  panel \\x1b[31m: 1 (a\\nb\\u202e.png)"


def test_doubts_are_summed_up_by_kind_without_notes():
    counts = {READ: Count(9, ()), FLAT: Count(1, ()), COPY: Count(2, ()), LEVELS: Count(1500, ())}
    assert doubts_in(remarks_of(counts)) == (
        f"1,503 doubts: {KINDS['copied-target'].text}: 2; {KINDS['flat-panel'].text}: 1,501"
    )
    assert doubts_in(remarks_of({FLAT: Count(1, ())})).startswith("1 doubt: ")
    assert doubts_in(remarks_of({READ: Count(9, ())})) is None


def test_a_kind_that_only_a_newer_version_knows_is_a_doubt():
    (head, about, advice) = lines({Finding("what-comes-later", "x"): Count(1, ("r",))})
    assert (head, about) == ("doubt: what-comes-later", "  x: 1 (r)")
    assert "does not know" in advice
