"""What an earlier onepic made is made again, opened, gone on with and sampled by this one.

Numbers may differ in their last digits, as they do between machines; everything else may not.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import load_file

from onepic.compiler import open_dataset
from tests.end_to_end.conftest import Command

FROZEN = Path(__file__).parents[1] / "frozen"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what was made, and beside it the dataset ``anew`` as it is made now."""
    folder = tmp_path_factory.mktemp("frozen") / "work"
    shutil.copytree(FROZEN, folder)
    result = Command(folder).here("recipe.yaml", "--local", "--output", "anew")
    assert result.code == 0, result.errors
    return folder


def read_members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_the_same_recipe_gives_the_same_shards(folder: Path) -> None:
    for shard in ("00000", "00001"):
        old, new = (
            read_members(folder / name / f"shards/{shard}.tar") for name in ("dataset", "anew")
        )
        assert list(old) == list(new)
        for name, content in old.items():
            if name.endswith(".latents.npy"):
                assert len(new[name]) == len(content)
                before, after = (np.frombuffer(c, np.float16)[64:] for c in (content, new[name]))
                np.testing.assert_allclose(after, before, atol=5e-3)
            else:
                assert new[name] == content, name


def test_the_same_recipe_gives_the_same_prompts(folder: Path) -> None:
    for name in ("null_prompt", "shards/00000.text", "shards/00001.text"):
        old, new = (
            load_file(folder / data / f"{name}.safetensors") for data in ("dataset", "anew")
        )
        assert old.keys() == new.keys()
        for key in old:
            np.testing.assert_allclose(new[key], old[key], atol=5e-3)


def test_the_same_recipe_gives_the_same_indexes(folder: Path) -> None:
    # The stamp is a file's time, and those of copies differ between file systems.
    for shard in ("00000", "00001"):
        path = f"shards/{shard}.parquet"
        old, new = (pq.read_table(folder / name / path) for name in ("dataset", "anew"))
        assert old.schema.names == new.schema.names
        assert old.drop_columns("stamp").to_pylist() == new.drop_columns("stamp").to_pylist()


def test_the_same_recipe_gives_the_same_dataset_json(folder: Path) -> None:
    def read(name: str) -> dict[str, Any]:
        info: dict[str, Any] = json.loads((folder / name / "dataset.json").read_text())
        return info

    old, new = read("dataset"), read("anew")
    assert new["model"].pop("backbone") == "sdxl"  # which later datasets say
    assert list(old) == list(new)
    of_a_machine = ("versions", "encoder", "totals", "checksums", "checksum")
    assert {k: old[k] for k in old if k not in of_a_machine} == {
        k: new[k] for k in new if k not in of_a_machine
    }
    assert old["totals"].keys() == new["totals"].keys()


def test_the_old_dataset_is_sound_and_opens(folder: Path) -> None:
    dataset = open_dataset(folder / "dataset")
    assert not dataset.verify()
    assert [sample.prompt for sample in dataset][:2] == [
        "colorize a picture of red",
        "colorize a picture of blue",
    ]


def test_the_old_run_is_gone_on_with(folder: Path) -> None:
    old = load_file(folder / "run/pytorch_lora_weights.safetensors")
    (folder / "run/pytorch_lora_weights.safetensors").unlink()
    train = Command(folder, "trainer")
    result = train.here("dataset", "--output", "run", "--config", "train.yaml", "--resume")
    assert result.code == 0, result.errors
    assert "resuming from run/checkpoints/step-0000002" in result.output + result.errors
    new = load_file(folder / "run/pytorch_lora_weights.safetensors")
    assert old.keys() == new.keys()
    for key in old:
        np.testing.assert_allclose(new[key], old[key], atol=1e-3)


def test_the_old_adapter_samples_the_same_picture(folder: Path) -> None:
    sample = Command(folder, "sampler")
    image = ("--image", "grey=pictures/000.png", "--value", "caption=a cat", "--steps", "4")
    result = sample.here("run", *image, "--output", "new.png")
    assert result.code == 0, result.errors
    old, new = (
        np.asarray(Image.open(folder / name)).astype(int) for name in ("picture.png", "new.png")
    )
    assert np.abs(old - new).max() <= 3
