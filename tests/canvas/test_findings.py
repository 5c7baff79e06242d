import json

import pyarrow as pa

from onepic.canvas.findings import (
    Count,
    Finding,
    add_up,
    attach,
    attached,
    count_findings,
    found_in_shards,
    from_data,
    to_data,
)

LABELS, GREY = Finding("mask-reading", "labels"), Finding("mask-reading", "grey")


def test_a_finding_counts_once_for_each_row_and_names_the_first_three():
    rows = [(f"row {number}", [GREY, GREY]) for number in range(5)]
    counts = count_findings([*rows, ("other", [LABELS]), ("nothing", [])])
    assert counts == {
        GREY: Count(5, ("row 0", "row 1", "row 2")),
        LABELS: Count(1, ("other",)),
    }


def test_parts_add_up_to_the_whole_whatever_the_cut():
    rows = [(f"row {number}", [GREY, LABELS][: 1 + number % 2]) for number in range(7)]
    parts = (count_findings(rows[:4]), {}, count_findings(rows[4:]))
    assert add_up(parts) == count_findings(rows)


def test_counts_are_the_same_as_data():
    counts = count_findings([("ü\n", [LABELS]), ("b", [GREY])])
    assert from_data(json.loads(json.dumps(to_data(counts)))) == counts
    assert [item["about"] for item in to_data(counts)] == ["grey", "labels"]


def test_a_scanned_table_brings_what_was_found_and_keeps_its_other_metadata():
    rows = pa.table({"key": ["a"]}).replace_schema_metadata({"kept": "yes"})
    counts = {GREY: Count(4, ("x.txt",))}
    assert attached(rows) == {}
    assert attached(attach(rows, counts).slice(0, 1)) == counts
    assert attach(rows, counts).schema.metadata[b"kept"] == b"yes"


def test_shards_that_are_too_old_to_say_anything_are_named():
    new = {GREY: Count(4, ("x",))}
    assert found_in_shards([("00000", new), ("00001", new)]) == add_up([new, new])
    shards = [("00000", new), *((f"{number:05d}", None) for number in range(1, 6))]
    assert found_in_shards(shards) == new | {
        Finding("unseen-shards", "of 6 shards"): Count(5, ("00001", "00002", "00003"))
    }


def test_a_finding_is_kept_without_what_opens_an_address():
    place = "https://me:secret@host/a.png?sig=secret"
    (item,) = to_data({Finding("mask-reading", f"mask of {place}"): Count(1, (place,))})
    assert item["about"] == "mask of https://host/a.png"
    assert item["examples"] == ["https://host/a.png"]
