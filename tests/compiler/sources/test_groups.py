"""Groups of rows: subjects with references, and stories in their order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from onepic.canvas.findings import Finding, attached
from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import GroupsSource, SequencesSource

MEMBERS = {"dog": 4, "mug": 5, "vase": 2}


@pytest.fixture
def subjects(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """A folder for each subject, with captions."""
    seeds = itertools.count()
    for name, count in MEMBERS.items():
        (tmp_path / name).mkdir()
        for number in range(count):
            picture(16, 16, next(seeds)).save(tmp_path / name / f"{number}.png")
            (tmp_path / name / f"{number}.txt").write_text(f"{name} number {number}")
    return tmp_path


@pytest.fixture
def table(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """A table whose column `who` makes the groups; one row has none."""
    lines = ["file,who"]
    for number, who in enumerate("abababa"):
        picture(16, 16, number).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{who}")
    lines.append("0.png,")
    (tmp_path / "people.csv").write_text("\n".join(lines))
    return tmp_path / "people.csv"


def groups(folder: Path, **options: object) -> GroupsSource:
    return GroupsSource(of={"kind": "folder", "path": str(folder)}, **options)


NAMES = ("image", "image.1", "image.2", "image.3")


def test_each_member_is_a_target_once_and_never_its_own_reference(subjects, rows_of):
    rows = [row for row in rows_of(groups(subjects), NAMES) if row.error is None]
    targets = [row.values["image"] for row in rows]
    assert len(targets) == len(set(targets)) == 4 + 5
    for row in rows:
        members = [row.values[name] for name in NAMES]
        assert len(set(members)) == 4
        assert len({Path(member).parent for member in members}) == 1


def test_texts_of_references_have_their_number_too(subjects, rows_of):
    texts = ("caption", "caption.2")
    rows = rows_of(groups(subjects, references=2), ("image", "image.1", "image.2"), texts)
    for row in (row for row in rows if row.error is None):
        for name in ("", ".2"):
            image = Path(row.values[f"image{name}"])
            assert row.values[f"caption{name}"] == f"{image.parent.name} number {image.stem}"


def test_a_group_with_too_few_members_is_a_row_that_says_so(subjects, rows_of):
    (bad,) = [row for row in rows_of(groups(subjects), NAMES) if row.error is not None]
    assert bad.key == "vase"
    assert bad.error.reason == "the group has 2 members; 4 are needed"


def test_all_combinations_of_references_can_be_asked_for(subjects, rows_of):
    source = groups(subjects, references=2, samples="all", target="first")
    rows = [row for row in rows_of(source, NAMES[:3]) if row.error is None]
    mugs = [row for row in rows if row.key.startswith("mug/")]
    chosen = {frozenset(row.values[name] for name in NAMES[1:3]) for row in mugs}
    assert len(mugs) == len(chosen) == 6  # two of the four others
    assert {row.values["image"] for row in mugs} == {str(subjects / "mug" / "0.png")}


def test_choices_follow_the_seed_and_the_target_alone(subjects, rows_of):
    def chosen(**options):
        rows = rows_of(groups(subjects, references=2, samples=2, **options), NAMES[:3])
        return {row.key: [row.values[n] for n in NAMES[1:3]] for row in rows if row.error is None}

    first = chosen()
    assert first == chosen()
    assert first != chosen(seed=1)
    assert len(first) == 2 * (4 + 5)
    (subjects / "new").mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16)).save(subjects / "new" / f"{number}.png")
    again = chosen()
    assert {key: again[key] for key in first} == first


def test_no_choice_is_made_twice(subjects, rows_of):
    rows = rows_of(groups(subjects, references=2, samples=3), NAMES[:3])
    dogs = [row for row in rows if row.key.startswith("dog/1.png+")]
    assert len({frozenset(row.values[name] for name in NAMES[1:3]) for row in dogs}) == 3


def test_a_column_can_make_the_groups(table, rows_of):
    source = GroupsSource(
        of={"kind": "table", "path": str(table)}, by="who", references=2, target="last"
    )
    rows = rows_of(source, ("file", "file.1", "file.2"))
    good = {row.key: row for row in rows if row.error is None}
    assert set(good) == {"6+0", "5+0"}
    numbers = {int(Path(good["6+0"].values[n]).stem) for n in ("file", "file.1", "file.2")}
    assert 6 in numbers
    assert numbers <= {0, 2, 4, 6}
    (bad,) = [row for row in rows if row.error is not None]
    assert bad.error.reason == "the column 'who', by which rows are grouped, is empty"


def test_what_was_found_of_the_members_comes_with_the_groups(table):
    table.write_text(table.read_text().replace(",", ";"))
    source = GroupsSource(of={"kind": "table", "path": str(table)}, by="who", references=1)
    (finding,) = attached(source.scan(Columns(("file", "file.1")), Path("/")))
    assert finding.about == "people.csv: ';' divides the cells"


def test_a_member_that_cannot_be_read_rejects_the_rows_that_show_it(tmp_path, rows_of, picture):
    lines = ["image,who", "0.png,a", ",a", "2.png,b", "3.png,b"]
    (tmp_path / "people.csv").write_text("\n".join(lines))
    source = GroupsSource(
        of={"kind": "table", "path": str(tmp_path / "people.csv")}, by="who", references=1
    )
    rows = {row.key: row for row in rows_of(source, ("image", "image.1"))}
    assert [key for key, row in rows.items() if row.error is None] == ["2+0", "3+0"]
    assert rows["0+0"].error.reason.startswith("1: the column 'image' holds nothing")


def test_a_row_is_stale_when_one_of_its_members_changes(subjects, stamps_of):
    source = groups(subjects, references=2, target="first")
    before = stamps_of(source, NAMES[:3])
    assert all("image.1=" in stamp for key, stamp in before.items() if key != "vase")
    Image.new("RGB", (40, 40)).save(subjects / "dog" / "0.png")
    after = stamps_of(source, NAMES[:3])
    assert [key for key in before if before[key] != after[key]] == ["dog/0.png+0"]


def test_sequences_keep_the_order_and_do_not_overlap(subjects, rows_of):
    source = SequencesSource(of={"kind": "folder", "path": str(subjects)}, length=2)
    rows = rows_of(source, ("image.1", "image.2"))
    shown = [[Path(row.values[name]).stem for name in ("image.1", "image.2")] for row in rows]
    assert shown == [["0", "1"], ["2", "3"], ["0", "1"], ["2", "3"], ["0", "1"]]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Pages 1 to 12 of a story, whose names are not padded; the last has another caption file."""
    (tmp_path / "story").mkdir()
    for number in range(1, 13):
        (tmp_path / f"story/page{number}.png").touch()
    (tmp_path / "story/page12.caption").write_text("the end")
    return tmp_path


def test_files_of_a_sequence_are_counted_as_people_count(pages, rows_of):
    source = SequencesSource(of={"kind": "folder", "path": str(pages)}, length=12)
    names = tuple(f"image.{number}" for number in range(1, 13))
    (row,) = rows_of(source, names)
    shown = [Path(row.values[name]).stem for name in names]
    assert shown == [f"page{number}" for number in range(1, 13)]


def test_the_last_of_a_group_is_the_one_with_the_greatest_number(pages, rows_of):
    (row,) = rows_of(groups(pages, references=1, target="last"), NAMES[:2])
    assert row.key == "story/page12.png+0"


def test_rows_of_a_table_keep_its_order(tmp_path, rows_of):
    lines = ["file,name", *(f"{name}.png,{name}" for name in ("page10", "page2", "page1"))]
    (tmp_path / "story.csv").write_text("\n".join(lines))
    table = {"kind": "table", "path": str(tmp_path / "story.csv"), "key": "name"}
    (row,) = rows_of(SequencesSource(of=table, length=3), ("file.1", "file.2", "file.3"))
    assert [Path(value).stem for value in row.values.values()] == ["page10", "page2", "page1"]


def test_what_was_seen_of_members_is_known_of_their_rows(pages, rows_of):
    (pages / "story/notes.md").touch()
    source = SequencesSource(of={"kind": "folder", "path": str(pages)}, length=2)
    texts = ("caption.1", "caption.2")
    rows = rows_of(source, ("image.1", "image.2"), texts, optional_texts=texts)
    found = Finding("caption-reading", "caption: NAME.caption")
    assert [row.findings for row in rows] == [()] * 5 + [(found,)]
    columns = Columns(("image.1", "image.2"), texts, texts)
    assert Finding("passed-over", ".md") in attached(source.scan(columns, Path("/")))


def test_sequences_can_overlap(subjects, rows_of):
    source = SequencesSource(of={"kind": "folder", "path": str(subjects)}, length=3, step=1)
    rows = [row for row in rows_of(source, ("image.1", "image.3")) if row.error is None]
    assert [Path(row.values["image.1"]).stem for row in rows] == ["0", "1", "0", "1", "2"]


def test_an_unknown_column_is_named_without_its_number(subjects):
    with pytest.raises(SourceError, match="picture"):
        groups(subjects).scan(Columns(("picture.1",)), Path("/"))


def test_no_group_that_is_large_enough_is_an_error_with_advice(subjects):
    with pytest.raises(SourceError, match="no group by 'folder' has enough members for 9 panels"):
        groups(subjects, references=8).scan(Columns(("image",)), Path("/"))


def test_groups_of_groups_are_refused():
    with pytest.raises(ValueError, match="groups"):
        GroupsSource(of={"kind": "groups", "of": {"kind": "photos"}})


def test_rows_say_which_group_they_are_of(subjects):
    columns = Columns(("image", "image.1", "image.2"))
    scanned = groups(subjects, references=2, samples=2).scan(columns, Path("/"))
    keys, found = scanned["key"].to_pylist(), scanned["group"].to_pylist()
    assert found == [key.partition("/")[0] for key in keys]
    story = SequencesSource(of={"kind": "folder", "path": str(subjects)}, length=2)
    parts = story.scan(Columns(("image.1", "image.2")), Path("/"))["group"].to_pylist()
    assert parts == ["dog", "dog", "mug", "mug", "vase"]


def test_a_column_that_makes_the_groups_names_them(table):
    people = GroupsSource(of={"kind": "table", "path": str(table)}, by="who", references=2)
    rows = people.scan(Columns(("file", "file.1", "file.2")), Path("/"))
    assert set(rows["group"].to_pylist()) == {"a", "b", None}


def test_members_are_not_told_another_group(subjects):
    with pytest.raises(ValueError, match="group: members belong to the group that `by` makes"):
        GroupsSource(of={"kind": "folder", "path": str(subjects), "group": "caption"})
