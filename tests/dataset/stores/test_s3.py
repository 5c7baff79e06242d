"""Of what lies on S3 the needed parts are read, each with one request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("moto", reason="moto[s3] is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed")

from s3 import BUCKET, served

from onepic.common.errors import DamagedFileError
from onepic.dataset.stores.fetch import list_sizes, read_part

URL = f"s3://{BUCKET}/data"
DATA = bytes(range(250)) * 4000


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import s3fs

    with served() as s3:
        for key, value in s3.environment.items():
            monkeypatch.setenv(key, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3.client().put_object(Bucket=BUCKET, Key="data/shards/00000.tar", Body=DATA)
        s3.client().put_object(Bucket=BUCKET, Key="data/dataset.json", Body=b"{}")
        yield s3
        s3fs.S3FileSystem.clear_instance_cache()


def test_parts_and_sizes_are_those_of_the_objects(s3):
    assert list_sizes(URL) == {"shards/00000.tar": len(DATA), "dataset.json": 2}
    tar = f"{URL}/shards/00000.tar"
    for offset, size in ((0, 10), (123_456, 7), (len(DATA) - 3, 50), (len(DATA), 5)):
        assert read_part(tar, offset, size, len(DATA)) == DATA[offset : offset + size]
    with pytest.raises(DamagedFileError, match=r"00001\.tar: not found"):
        read_part(f"{URL}/shards/00001.tar", 0, 10, 100)
    assert list_sizes(f"s3://{BUCKET}/nothing") == {}
