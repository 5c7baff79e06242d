from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onepic.canvas.row import Columns
from onepic.common.errors import SourceError
from onepic.compiler.sources import HuggingFaceSource

datasets = pytest.importorskip("datasets")


@pytest.fixture
def build(picture, tmp_path):
    def make(count: int = 3, name: str = "saved") -> HuggingFaceSource:
        features = datasets.Features(
            {
                "image": datasets.Image(),
                "caption": datasets.Value("string"),
                "kind": datasets.ClassLabel(names=["cat", "dog"]),
            }
        )
        data = {
            "image": [picture(16, 16, n) for n in range(count)],
            "caption": [f"picture {n}" for n in range(count)],
            "kind": [n % 2 for n in range(count)],
        }
        dataset = datasets.Dataset.from_dict(data, features=features)
        datasets.DatasetDict({"train": dataset}).save_to_disk(tmp_path / name)
        dataset.save_to_disk(tmp_path / f"{name}-single")
        return HuggingFaceSource(path=str(tmp_path / name))

    return make


def test_images_come_encoded_and_classes_by_name(build, rows_of):
    rows = rows_of(build(), texts=("caption", "kind"))
    assert [row.key for row in rows] == ["0", "1", "2"]
    assert rows[1].values["image"].startswith(b"\x89PNG")
    assert rows[1].values["caption"] == "picture 1"
    assert rows[1].values["kind"] == "dog"


def test_a_row_without_a_class_has_no_text(rows_of, tmp_path):
    kind = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"image": datasets.Value("string"), "kind": kind})
    data = {"image": ["a.png", "b.png", "c.png"], "kind": [-1, 1, None]}
    datasets.Dataset.from_dict(data, features=features).save_to_disk(tmp_path / "classes")
    rows = rows_of(HuggingFaceSource(path=str(tmp_path / "classes")), texts=("kind",))
    assert [row.values["kind"] for row in rows] == [None, "dog", None]


def test_a_single_saved_split_is_read_as_well(build, rows_of, tmp_path):
    build()
    assert len(rows_of(HuggingFaceSource(path=str(tmp_path / "saved-single")))) == 3


def test_a_folder_of_files_is_loaded_by_the_library(picture_folder, rows_of, tmp_path, monkeypatch):
    folder = picture_folder(2)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = rows_of(HuggingFaceSource(path=str(folder)))
    assert [Path(row.values["image"]).name for row in rows] == ["000.png", "001.png"]


def test_a_column_may_name_the_rows(build, rows_of):
    source = build().model_copy(update={"key": "caption"})
    assert rows_of(source)[2].key == "picture 2"
    with pytest.raises(SourceError, match="more than once"):
        rows_of(source.model_copy(update={"key": "kind"}))


def test_stamps_are_the_same_in_another_process(build, stamps_of, tmp_path):
    source = build()
    code = (
        "import sys; from pathlib import Path;"
        "from onepic.compiler.sources import Columns, HuggingFaceSource as S;"
        "t = S(path=sys.argv[1]).scan(Columns(('image',)), Path());"
        "print(*t['stamp'].to_pylist(), sep='\\n')"
    )
    command = [sys.executable, "-c", code, source.path]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.split() == list(stamps_of(source).values())
    assert output.startswith("data=")


def test_data_saved_again_are_new_and_checksums_tell_which(build, stamps_of):
    before, exact = stamps_of(build()), {"stamp": "checksum"}
    before_exact = stamps_of(build().model_copy(update=exact), texts=("caption",))
    source = build(4, "other")
    after = stamps_of(source)
    after_exact = stamps_of(source.model_copy(update=exact), texts=("caption",))
    assert after["0"] != before["0"]
    assert {key: after_exact[key] for key in before_exact} == before_exact


def test_a_missing_column_or_split_is_an_error(build):
    with pytest.raises(SourceError, match="no column 'imag'; did you mean 'image'"):
        build().scan(Columns(("imag",)), Path())
    with pytest.raises(SourceError, match="no split 'test'; known: train"):
        build().model_copy(update={"split": "test"}).scan(Columns(("image",)), Path())
    with pytest.raises(SourceError, match="'kind' is ClassLabel"):
        build().scan(Columns(("kind",)), Path())


def test_a_dataset_that_cannot_be_loaded_is_named(tmp_path, rows_of):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: `datasets` cannot load it"):
        rows_of(HuggingFaceSource(path=str(tmp_path / "empty")))


def test_a_text_with_a_default_may_be_lacking(build, rows_of):
    rows = rows_of(build(), texts=("title",), optional_texts=("title",))
    assert set(rows[0].values) == {"image"}
