"""No changed byte of a compiled dataset goes unnoticed."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from onepic.common.errors import DatasetError
from onepic.common.files import to_json
from onepic.common.report import Silent
from onepic.compiler import open_dataset
from onepic.dataset.info import DatasetInfo
from onepic.dataset.seal import is_unchanged, sealed

#: People write into it, so nothing says what has to be in it.
CARD = "README.md"
#: Flips in each file, besides those at its ends.
FLIPS = 20


def info_of(project: Any) -> DatasetInfo:
    return open_dataset(project.output).info


def is_noticed(folder: Path) -> bool:
    try:
        return bool(open_dataset(folder).verify())
    except DatasetError:
        return True


def test_a_flipped_byte_is_noticed_wherever_it_is(project):
    random.seed(0)
    folder, files = project.output, project.files()
    assert open_dataset(folder).verify() == []
    unnoticed = []
    for name, data in files.items():
        places = {0, len(data) - 1, *random.sample(range(len(data)), FLIPS)}
        for place in sorted(places) if name != CARD else ():
            damaged = bytearray(data)
            damaged[place] ^= random.randrange(1, 256)
            (folder / name).write_bytes(damaged)
            if not is_noticed(folder):
                unnoticed.append((name, place))
        (folder / name).write_bytes(data)
    assert unnoticed == []
    assert open_dataset(folder).verify() == []


@pytest.mark.parametrize("key", ["checksum", "checksums", "totals", "fingerprint"])
def test_a_damaged_name_in_dataset_json_does_not_hide_the_damage(project, key):
    path = project.output / "dataset.json"
    data = path.read_bytes()
    path.write_bytes(data.replace(f'"{key}"'.encode(), f'"x{key[1:]}"'.encode()))
    assert is_noticed(project.output)


def test_what_the_compiler_writes_is_unchanged_and_an_edit_is_not(project):
    written, sealed_now = project.output / "dataset.json", sealed(info_of(project), project.output)
    info = json.loads(written.read_text())
    assert written.read_bytes() == sealed_now.to_json()
    assert is_unchanged(to_json(info))
    assert not is_unchanged(to_json({**info, "task": "another"}))
    assert not is_unchanged(json.dumps(info).encode())
    assert not is_unchanged(b"[")


def test_the_checksums_are_those_of_stock_tools(project):
    known, files = info_of(project).checksums, project.files()
    assert known == {name: hashlib.sha256(files[name]).hexdigest() for name in known}
    assert set(known) == {
        *(f"shards/{number:05d}.parquet" for number in range(3)),
        *("canvases.png", "null_prompt.safetensors", "rejected.parquet"),
    }


def forget(path: Path) -> None:
    info = json.loads(path.read_text())
    del info["checksum"], info["checksums"]
    path.write_bytes(to_json(info))


def test_a_dataset_from_before_there_were_checksums_is_read_and_gets_them(project):
    before = project.files()
    forget(project.output / "dataset.json")
    assert open_dataset(project.output).verify() == []
    summary = project.compile()
    assert summary.made == 0
    assert project.files() == before


class Stopped(Silent):
    """Ctrl-C when the shards begin to be made."""

    def begin(self, *_: Any, **__: Any) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("is_stopped", [False, True])
def test_compiling_again_makes_what_only_a_checksum_tells_is_damaged(project, is_stopped):
    """It must not take the damage for what was compiled, also when it was stopped in between."""
    before, index = project.files(), project.output / "shards/00001.parquet"
    data = bytearray(index.read_bytes())
    data[data.index(b"parquet-cpp")] ^= 1
    index.write_bytes(data)
    (problem,) = open_dataset(project.output).verify()
    assert problem.startswith("shards/00001.parquet has another SHA-256 than dataset.json says")
    if is_stopped:
        with pytest.raises(KeyboardInterrupt):
            project.compile(Stopped())
    assert project.compile().made == 1
    assert project.files() == before


def test_an_edit_on_purpose_is_named_and_can_be_kept(project):
    path = project.output / "dataset.json"
    info: dict[str, Any] = json.loads(path.read_text())
    info["recipe"]["source"]["path"] = "hidden"
    path.write_bytes(to_json(info))
    (problem,) = open_dataset(project.output).verify()
    assert problem.startswith("dataset.json is not as it was written")
    assert "delete 'checksum' and 'checksums' from it" in problem
    forget(path)
    assert open_dataset(project.output).verify() == []
