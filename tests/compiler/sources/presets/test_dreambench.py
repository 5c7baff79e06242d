"""DreamBench: subjects with their classes, alone and as references of each other."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import DreamBenchSource, GroupsSource

CLASSES = """Classes

subject_name,class
backpack,backpack
dog6,dog
wolf_plushie,stuffed animal

Prompts

Object Prompts

prompt_list = [
'a {0} {1} in the jungle'.format(unique_token, class_token),
]
"""


@pytest.fixture
def dataset(tmp_path: Path, picture: Callable[..., Image.Image]) -> Path:
    """Four pictures of each subject, and the table of their classes."""
    dataset, seeds = tmp_path / "dreambooth/dataset", itertools.count()
    for subject, number in itertools.product(("backpack", "dog6", "wolf_plushie"), range(4)):
        (dataset / subject).mkdir(parents=True, exist_ok=True)
        picture(16, 16, next(seeds)).save(dataset / subject / f"{number:02d}.jpg")
    (dataset / "prompts_and_classes.txt").write_text(CLASSES)
    (dataset / "references_and_licenses.txt").write_text("licenses")
    return dataset


def dreambench(folder: Path, **options: object) -> DreamBenchSource:
    return DreamBenchSource(path=str(folder), **options)


def test_rows_are_single_images_with_subject_and_class(dataset, rows_of):
    rows = rows_of(dreambench(dataset), ("image",), ("subject", "class"))
    assert len(rows) == 12
    assert rows[4].key == "dog6/00.jpg"
    assert rows[4].values == {
        "image": str(dataset / "dog6/00.jpg"),
        "subject": "dog6",
        "class": "dog",
    }
    assert rows[-1].values["class"] == "stuffed animal"


def test_the_repository_may_be_named_instead_of_its_dataset(dataset, rows_of):
    expected = rows_of(dreambench(dataset), ("image",), ("class",))
    assert rows_of(dreambench(dataset.parent), ("image",), ("class",)) == expected


@pytest.mark.parametrize("by", ["subject", "folder"])
def test_pictures_of_a_subject_are_references_of_each_other(dataset, rows_of, by):
    source = GroupsSource(of={"kind": "dreambench", "path": str(dataset)}, by=by)
    images = ("image", "image.1", "image.2", "image.3")
    rows = rows_of(source, images, ("class",))
    assert len(rows) == 12
    for row in rows:
        places = [Path(row.values[name]) for name in images]
        assert len(set(places)) == 4
        assert len({place.parent for place in places}) == 1
    assert {row.values["class"] for row in rows} == {"backpack", "dog", "stuffed animal"}


def test_classes_are_needed_only_where_they_are_read(dataset, rows_of):
    (dataset / "prompts_and_classes.txt").unlink()
    assert len(rows_of(dreambench(dataset), ("image",), ("subject",))) == 12
    rows = rows_of(dreambench(dataset), ("image",), ("class",), optional_texts=("class",))
    assert rows[0].values["class"] is None
    with pytest.raises(SourceError, match="the layout of DreamBench") as caught:
        dreambench(dataset).scan(Columns(("image",), ("class",)), Path("/"))
    assert str(caught.value).startswith(f"{dataset}/prompts_and_classes.txt: no such file")


def test_a_table_of_classes_that_cannot_be_read_is_named(dataset):
    path = dataset / "prompts_and_classes.txt"
    path.write_text(CLASSES.replace("subject_name,class", "subjects"))
    with pytest.raises(SourceError, match=f"{path}: no line 'subject_name,class'"):
        dreambench(dataset).scan(Columns(("image",), ("class",)), Path("/"))
    path.write_text(CLASSES.replace("dog6,dog", "dog6"))
    with pytest.raises(SourceError, match=f"{path}, line 5: .* found 'dog6'"):
        dreambench(dataset).scan(Columns(("image",), ("class",)), Path("/"))


def test_a_subject_that_the_table_lacks_has_no_class(dataset, rows_of):
    (dataset / "prompts_and_classes.txt").write_text("subject_name,class\ndog6,dog\n")
    rows = rows_of(dreambench(dataset), ("image",), ("class",))
    assert [row.values["class"] for row in rows] == [None] * 4 + ["dog"] * 4 + [None] * 4


@pytest.mark.parametrize("keep", [True, False])
def test_a_folder_without_subjects_is_named_with_the_layout(dataset, keep):
    shutil.rmtree(dataset)
    if keep:
        dataset.mkdir()
    with pytest.raises(SourceError, match="expected the layout of DreamBench: a folder of") as e:
        dreambench(dataset).scan(Columns(("image",)), Path("/"))
    assert str(e.value).startswith(f"{dataset}: {'has no rows' if keep else 'no such folder'}")


def test_a_row_is_stale_when_its_class_changes(dataset, stamps_of):
    before = stamps_of(dreambench(dataset), ("image",), ("class",))
    path = dataset / "prompts_and_classes.txt"
    path.write_text(CLASSES.replace("dog6,dog", "dog6,puppy"))
    after = stamps_of(dreambench(dataset), ("image",), ("class",))
    assert [key for key in before if before[key] != after[key]] == [
        f"dog6/{number:02d}.jpg" for number in range(4)
    ]


def test_the_pictures_of_a_subject_are_a_group(dataset):
    rows = dreambench(dataset).scan(Columns(("image",)), Path("/"))
    assert rows["group"].to_pylist() == [key.partition("/")[0] for key in rows["key"].to_pylist()]
    assert len(rows["group"].unique()) == 3
