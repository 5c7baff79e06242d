"""A shard appears whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from onepic.backbones.texts import Embeddings
from onepic.common.errors import RunError
from onepic.common.lock import locked
from onepic.dataset.index import Rejection, ShardHeader, read_header, read_index
from onepic.dataset.names import STATE, shard_path
from onepic.dataset.writer import Sample, ShardWriter


def sample(number: int, prompt: str = "") -> Sample:
    return Sample(
        key=f"{number:09d}",
        source=f"{number}.png",
        stamp="image=1@2",
        prompt=prompt,
        latents=np.full((4, 8, 16), number, np.float16),
        mask=np.ones((1, 8, 16), np.uint8),
        preview=b"webp",
        metadata={"source": f"{number}.png"},
    )


def embed(prompts: list[str], width: int = 8) -> Embeddings:
    hidden = np.ones((len(prompts), 77, width), np.float16)
    pooled = np.arange(len(prompts) * 4, dtype=np.float16).reshape(-1, 4)
    arrays = {"hidden": hidden, "pooled": pooled}
    return Embeddings(arrays, [len(prompt) > 5 for prompt in prompts])


def write_shard(
    output: Path,
    token: str,
    *samples: Sample,
    rejected: tuple[Rejection, ...] = (),
    width: int = 8,
) -> ShardHeader:
    with ShardWriter(output, 0, token) as writer:
        for item in samples:
            writer.add(item)
        embeddings = embed(writer.prompts, width) if samples else None
        return writer.complete("f" * 64, embeddings, rejected, (2 * len(samples), len(samples)))


def content(output: Path) -> dict[str, bytes]:
    """Every file but those of the lock."""
    paths = (path for path in output.rglob("*") if path.is_file())
    return {p.name: p.read_bytes() for p in paths if p.name not in ("lock", "run")}


@pytest.fixture
def token(tmp_path: Path) -> Iterator[str]:
    """The token of a run that holds `tmp_path`."""
    with locked(tmp_path, STATE) as token:
        yield token


def test_a_completed_shard_has_three_files_and_no_temporaries(tmp_path, token):
    write_shard(tmp_path, token, sample(0), sample(1))
    assert set(content(tmp_path)) == {"00000.tar", "00000.text.safetensors", "00000.parquet"}


def test_a_shard_that_is_not_completed_leaves_nothing(tmp_path, token):
    with ShardWriter(tmp_path, 0, token) as writer:
        writer.add(sample(0))
    assert content(tmp_path) == {}


def test_an_error_on_the_way_leaves_nothing(tmp_path, token):
    writer = ShardWriter(tmp_path, 0, token)
    writer.add(sample(0))
    with pytest.raises(ZeroDivisionError), writer:
        raise ZeroDivisionError
    assert content(tmp_path) == {}


def test_a_shard_that_is_not_completed_keeps_the_one_before(tmp_path, token):
    write_shard(tmp_path, token, sample(0))
    before = content(tmp_path)
    with ShardWriter(tmp_path, 0, token) as writer:
        writer.add(sample(1))
    assert content(tmp_path) == before


@pytest.mark.parametrize(("room", "width"), [(5000, 8), (20_000, 200)], ids=["tar", "text"])
def test_a_full_disk_raises_an_os_error_and_keeps_the_shard_before(
    tmp_path, token, largest_file, room, width
):
    write_shard(tmp_path, token, sample(0))
    before = content(tmp_path)
    with largest_file(room), pytest.raises(OSError, match="File too large"):
        write_shard(tmp_path, token, sample(1), width=width)
    assert content(tmp_path) == before


def test_a_shard_replaces_the_one_before(tmp_path, token):
    write_shard(tmp_path, token, sample(0), sample(1))
    header = write_shard(tmp_path, token, sample(2, prompt="other"))
    assert read_header(shard_path(tmp_path, 0, ".parquet")) == header
    assert read_index(shard_path(tmp_path, 0, ".parquet"))["source"].to_pylist() == ["2.png"]
    with tarfile.open(shard_path(tmp_path, 0, ".tar")) as tar:
        assert {name[:9] for name in tar.getnames()} == {"000000002"}


def test_a_shard_without_samples_leaves_no_samples_of_the_one_before(tmp_path, token):
    write_shard(tmp_path, token, sample(0))
    rejected = (Rejection("000000000", "0.png", "image=1@3", "decode", "not an image"),)
    header = write_shard(tmp_path, token, rejected=rejected)
    assert set(content(tmp_path)) == {"00000.parquet"}
    assert header.files == {}
    assert header.rejected == rejected


def test_without_its_index_a_shard_is_not_complete(tmp_path, token):
    write_shard(tmp_path, token, sample(0))
    shard_path(tmp_path, 0, ".text.safetensors").unlink()
    shard_path(tmp_path, 0, ".text.safetensors").mkdir()
    with pytest.raises(IsADirectoryError):
        write_shard(tmp_path, token, sample(1))
    assert set(content(tmp_path)) == {"00000.tar"}


def test_a_worker_of_an_earlier_run_completes_nothing(tmp_path):
    with locked(tmp_path, STATE) as earlier:
        pass
    with locked(tmp_path, STATE) as later:
        write_shard(tmp_path, later, sample(0))
        before = content(tmp_path)
        with pytest.raises(RunError, match="another run has taken over"):
            write_shard(tmp_path, earlier, sample(1))
        assert content(tmp_path) == before


def test_the_header_has_the_sizes_and_hashes_of_the_files(tmp_path, token):
    header = write_shard(
        tmp_path, token, sample(0, prompt="short"), sample(1, prompt="long prompt")
    )
    for name, suffix in (("tar", ".tar"), ("text", ".text.safetensors")):
        data = shard_path(tmp_path, 0, suffix).read_bytes()
        record = header.files[name]
        assert (record.size, record.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (header.samples, header.panels, header.distinct_panels) == (2, 4, 2)
    assert (header.prompts, header.cut_prompts) == (2, 1)


def test_equal_prompts_share_a_row_of_embeddings(tmp_path, token):
    with ShardWriter(tmp_path, 0, token) as writer:
        for number, prompt in enumerate(["b", "a", "b", "", "a"]):
            writer.add(sample(number, prompt))
        assert writer.prompts == ["b", "a", ""]
        writer.complete("", embed(writer.prompts), (), (0, 0))
    index = read_index(shard_path(tmp_path, 0, ".parquet"))
    text = load_file(shard_path(tmp_path, 0, ".text.safetensors"))
    assert index["prompt_row"].to_pylist() == [0, 1, 0, 2, 1]
    assert text["hidden"].shape == (3, 77, 8)
    np.testing.assert_array_equal(text["pooled"], embed(["b", "a", ""]).arrays["pooled"])


def test_members_lie_where_the_index_says(tmp_path, token):
    write_shard(tmp_path, token, sample(3, prompt="düne"))
    data = shard_path(tmp_path, 0, ".tar").read_bytes()
    (row,) = read_index(shard_path(tmp_path, 0, ".parquet")).to_pylist()

    def member(name: str) -> bytes:
        return data[row[f"{name}_offset"] :][: row[f"{name}_size"]]

    np.testing.assert_array_equal(np.load(io.BytesIO(member("latents"))), sample(3).latents)
    np.testing.assert_array_equal(np.load(io.BytesIO(member("mask"))), sample(3).mask)
    assert json.loads(member("json")) == {"source": "3.png", "prompt_row": 0}
    assert (member("txt").decode(), member("webp")) == ("düne", b"webp")
    assert (row["channels"], row["height"], row["width"]) == (4, 8, 16)


def test_whoever_may_read_the_tar_may_read_the_embeddings(tmp_path, token):
    write_shard(tmp_path, token, sample(0))
    modes = {path.stat().st_mode for path in (tmp_path / "shards").iterdir()}
    assert len(modes) == 1
