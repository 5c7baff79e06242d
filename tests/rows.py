"""Small builders that the tests of sources share."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from PIL import Image

from onepic.canvas.row import Columns, Row
from onepic.compiler.sources import Source


@pytest.fixture
def rows_of() -> Callable[..., list[Row]]:
    """`rows_of(source, images, texts, optional)` scans and reads all rows, through a slice each."""

    def read(
        source: Source, images: tuple[str, ...] = ("image",), texts: tuple[str, ...] = (), **more
    ) -> list[Row]:
        columns = Columns(images, texts, **more)
        table = source.scan(columns, Path("/"))
        assert table["key"].to_pylist() == [row.key for row in source.read(table, columns)]
        slices = [table.slice(number, 1) for number in range(len(table))]
        return [row for part in slices for row in source.read(part, columns)]

    return read


@pytest.fixture
def stamps_of() -> Callable[..., dict[str, str]]:
    """`stamps_of(source, images, texts)` is the stamp of each key."""

    def scan(
        source: Source, images: tuple[str, ...] = ("image",), texts: tuple[str, ...] = ()
    ) -> dict[str, str]:
        table = source.scan(Columns(images, texts), Path("/"))
        return dict(zip(table["key"].to_pylist(), table["stamp"].to_pylist(), strict=True))

    return scan


@pytest.fixture
def png(picture: Callable[..., Image.Image]) -> Callable[[int], bytes]:
    """`png(seed)` is an encoded picture."""

    def encode(seed: int = 0) -> bytes:
        buffer = io.BytesIO()
        picture(16, 16, seed).save(buffer, "PNG")
        return buffer.getvalue()

    return encode


@pytest.fixture
def make_tar(tmp_path: Path) -> Callable[[str, dict[str, bytes]], Path]:
    """`make_tar(name, {member: content})` writes a tar."""

    def make(name: str, members: dict[str, bytes]) -> Path:
        with tarfile.open(tmp_path / name, "w") as tar:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return tmp_path / name

    return make


@pytest.fixture
def remote(tmp_path: Path) -> str:
    """The URL of an empty folder in memory."""
    url = f"memory://{tmp_path.name}-{id(tmp_path)}"
    fsspec.filesystem("memory").makedirs(url.removeprefix("memory:/"), exist_ok=True)
    return url
