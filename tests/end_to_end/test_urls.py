"""`onepic-inspect` and `onepic-compile --verify` of datasets on the Hub and in a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hub import TOKEN, Hub

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Command

NAME = "someone/colours"
URL = f"hf://datasets/{NAME}"


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*.*") if path.is_file())
    named = ((path.relative_to(folder).as_posix(), path) for path in paths)
    return {name: path.read_bytes() for name, path in named if not name.startswith(".")}


def test_a_dataset_of_the_hub_is_looked_at_and_verified(
    command: type[Command],
    hub: Hub,
    compiled_colours: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.make(NAME, private=True).hold(compiled_colours)
    monkeypatch.setenv("ONEPIC_CACHE", str(tmp_path / "cache"))
    inspect = command(tmp_path, "compiler.inspection").here
    verify = command(tmp_path, "compiler").here
    here, there = inspect(compiled_colours), inspect(URL, "--html", "page.html")
    assert there.code == 0, there.errors
    expected = here.output.replace(str(compiled_colours), URL)
    assert there.output == f"{expected}page: page.html\n"
    assert (tmp_path / "page.html").read_text().count("<article") == 24

    repository = hub.dataset(NAME)
    sound = verify("--verify", URL)
    assert sound.code == 0, sound.errors
    commit = repository.heads["main"]
    assert sound.output == f"{URL} at commit {commit}: 24 samples in 5 shards are sound\n"

    tar = bytearray(repository.files()["shards/00003.tar"].data)
    tar[-1] ^= 1
    repository.edit("shards/00003.tar", bytes(tar))
    damaged = verify("--verify", URL)
    assert damaged.code == 1
    assert damaged.errors.splitlines() == [
        "onepic-compile: shards/00003.tar has another SHA-256 than its index says; first delete "
        "shards/00003.parquet there",
        f"{URL}: run onepic-compile or onepic-publish again to restore it",
    ]

    monkeypatch.setenv("HF_TOKEN", "")
    refused = verify("--verify", URL)
    assert refused.code == 2
    assert refused.errors.count("\n") == 1
    assert "hf auth login" in refused.errors
    for result in (there, sound, damaged, refused):
        assert TOKEN not in result.output + result.errors


def test_a_dataset_on_s3_is_looked_at_and_verified(
    command: type[Command], compiled_colours: Path, tmp_path: Path
) -> None:
    pytest.importorskip("moto", reason="moto[s3] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    import s3 as loopback

    url = f"s3://{loopback.BUCKET}/colours"
    with loopback.served() as s3:
        client: Any = s3.client()
        for name, data in files_of(compiled_colours).items():
            client.put_object(Bucket=loopback.BUCKET, Key=f"colours/{name}", Body=data)
        environment = {**s3.environment, "ONEPIC_CACHE": str(tmp_path / "cache")}
        found = command(tmp_path, "compiler.inspection", environment)(url)
        assert found.code == 0, found.errors
        assert "read: all 24 samples" in found.output
        s3.delete("colours/shards/00004.text.safetensors")
        verified = command(tmp_path, "compiler", environment)("--verify", url)
        assert verified.code == 1
        first = verified.errors.splitlines()[0]
        assert first == "onepic-compile: shards/00004.text.safetensors is missing"
