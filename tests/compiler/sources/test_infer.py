from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter, ValidationError

from onepic.common.errors import SourceError
from onepic.compiler.sources import (
    AnySource,
    FolderSource,
    HuggingFaceSource,
    TableSource,
    infer_source,
)


def test_the_word_photos_means_the_bundled_photographs():
    assert infer_source("photos") == {"kind": "photos"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("data.csv", "table"),
        ("s3://bucket/data.PARQUET", "table"),
        ("data.jsonl", "table"),
        ("shards/a-{000..012}.tar", "webdataset"),
        ("shards/*.tar", "webdataset"),
        ("shards/a.tar.zst", "webdataset"),
        ("someone/flowers-102", "huggingface"),
    ],
)
def test_the_form_of_a_text_says_what_it_is(text, kind):
    assert infer_source(text)["kind"] == kind


def test_a_folder_is_known_by_what_is_in_it(tmp_path, monkeypatch):
    assert infer_source(str(tmp_path)) == {"kind": "folder", "path": str(tmp_path)}
    (tmp_path / "a.tar").touch()
    (tmp_path / "a.json").touch()
    assert infer_source(str(tmp_path))["kind"] == "webdataset"
    (tmp_path / "a.png").touch()
    assert infer_source(str(tmp_path))["kind"] == "folder"
    (tmp_path / "dataset_dict.json").touch()
    assert infer_source(str(tmp_path))["kind"] == "huggingface"


def test_a_folder_of_parquet_parts_is_a_dataset(tmp_path, rows_of, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / ".cache")
    for number in range(3):
        rows = [{"image": f"/{number}.png", "caption": str(number)}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"part-{number}.parquet")
    (tmp_path / "README.md").touch()
    found = infer_source(str(tmp_path))
    assert found == {"kind": "huggingface", "path": str(tmp_path)}
    rows = rows_of(HuggingFaceSource.model_validate(found), texts=("caption",))
    assert [row.values["caption"] for row in rows] == ["0", "1", "2"]
    for source in (FolderSource(path=str(tmp_path)), TableSource(path=str(tmp_path))):
        with pytest.raises(SourceError, match="Parquet files is read by kind: huggingface"):
            rows_of(source)


def test_a_folder_of_compressed_tars_is_one_of_tars(tmp_path):
    (tmp_path / "a.tar.xz").touch()
    assert infer_source(str(tmp_path))["kind"] == "webdataset"


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "user/name").mkdir(parents=True)
    assert infer_source("user/name") == {"kind": "folder", "path": str(tmp_path / "user/name")}


def test_anything_else_is_an_error_that_says_what_was_tried():
    with pytest.raises(SourceError, match=r"nonsense: .*folder.*\.csv.*\.tar.*user/name"):
        infer_source("nonsense")


def test_a_source_is_chosen_by_its_kind():
    adapter = TypeAdapter(AnySource)
    assert adapter.validate_python({"kind": "folder", "path": "x"}) == FolderSource(path="x")
    with pytest.raises(ValidationError, match="did you mean 'path'"):
        adapter.validate_python({"kind": "folder", "pathh": "x"})


def test_importing_sources_is_quick():
    code = (
        "import sys, onepic.compiler.sources;"
        "print({'datasets', 'torch', 'ray', 'webdataset', 'fsspec'} & {*sys.modules})"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert output.stdout.strip() == "set()"


def test_a_store_that_cannot_be_asked_is_named() -> None:
    with pytest.raises(SourceError, match=r"nosuch://bucket/photos: cannot be reached: .*nosuch"):
        infer_source("nosuch://bucket/photos")
