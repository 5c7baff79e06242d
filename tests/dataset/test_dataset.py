"""Reading a dataset: every sample by number, and no damage unnoticed."""

from __future__ import annotations

import gc
import json
import pickle
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from onepic.common.errors import DatasetError
from onepic.dataset.dataset import Dataset, open_dataset
from onepic.dataset.names import FORMAT_VERSION


def flip_byte(path: Path, place: int = -1) -> None:
    """Damage a byte, in the middle unless said otherwise, and leave the size as it is."""
    data = bytearray(path.read_bytes())
    data[place if place >= 0 else len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def change_info(project: Any, **changes: Any) -> None:
    path = project.output / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def forget_checksums(project: Any) -> None:
    """Make it a dataset from before dataset.json had any."""
    path = project.output / "dataset.json"
    info = json.loads(path.read_text())
    del info["checksum"], info["checksums"]
    path.write_text(json.dumps(info))


@pytest.fixture
def finished(finished_project: Any) -> Dataset:
    """The dataset of five samples, two to a shard, for reading only."""
    return open_dataset(finished_project.output)


def test_it_has_as_many_samples_as_pictures_in_their_order(finished):
    assert len(finished) == 5
    assert [sample.metadata["source"] for sample in finished] == [f"00{n}.png" for n in range(5)]
    assert [sample.key for sample in finished] == [f"{number:09d}" for number in range(5)]


def test_samples_are_found_by_number_from_both_ends(finished):
    for number in range(5):
        assert finished[number].key == finished[number - 5].key == f"{number:09d}"


@pytest.mark.parametrize("number", [5, -6, 1000])
def test_a_number_out_of_range_is_an_index_error(finished, number):
    with pytest.raises(IndexError, match=f"sample {number} of a dataset of 5"):
        finished[number]


def test_a_sample_has_all_that_training_needs(finished, finished_project):
    sample = finished[3]
    assert (sample.latents.dtype, sample.latents.shape) == (np.float16, (4, 8, 16))
    assert (sample.mask.dtype, sample.mask.shape) == (np.uint8, (1, 8, 16))
    assert sample.mask.sum() == 64
    assert sample.prompt == "colorize"
    text = load_file(finished_project.output / "shards/00001.text.safetensors")
    np.testing.assert_array_equal(sample.texts["hidden"], text["hidden"][0])
    np.testing.assert_array_equal(sample.texts["pooled"], text["pooled"][0])
    assert sample.preview[8:12] == b"WEBP"
    assert sample.metadata["canvas_size"] == [128, 64]


def test_samples_cannot_be_changed_by_accident(finished):
    with pytest.raises(ValueError, match="read-only"):
        finished[0].latents[:] = 0


def test_a_dataset_travels_to_other_processes(finished):
    copy = pickle.loads(pickle.dumps(finished))
    np.testing.assert_array_equal(copy[4].latents, finished[4].latents)


def test_a_shard_without_samples_is_passed_over(project):
    for name in ("002", "003"):
        (project.root / f"pictures/{name}.png").write_bytes(b"not a picture")
    project.compile(max_rejected=0.5)
    dataset = open_dataset(project.output)
    assert [sample.metadata["source"][2] for sample in dataset] == ["0", "1", "4"]
    assert dataset[-1].key == "000000004"
    assert dataset.verify() == []


def test_opened_anew_it_shows_what_was_compiled_anew(project, picture):
    before = open_dataset(project.output)[2].latents.copy()
    picture(seed=99).save(project.root / "pictures/002.png")
    project.compile()
    assert not np.array_equal(open_dataset(project.output)[2].latents, before)


def test_a_dataset_that_is_open_shows_a_shard_that_took_the_place_of_another(project, picture):
    dataset = open_dataset(project.output)
    before, other = dataset[2].latents.copy(), dataset[4].latents
    picture(seed=99).save(project.root / "pictures/002.png")
    project.compile()
    assert not np.array_equal(dataset[2].latents, before)
    np.testing.assert_array_equal(dataset[4].latents, other)


def test_so_many_shards_are_open_at_once_and_no_more(project, monkeypatch):
    monkeypatch.setattr("onepic.dataset.dataset._MOST_OPEN", 2)
    tars = sorted((project.output / "shards").glob("*.tar"))
    dataset = open_dataset(project.output)

    def are_mapped() -> list[bool]:
        gc.collect()
        maps = Path("/proc/self/maps").read_text()
        return [str(tar) in maps for tar in tars]

    keys = [dataset[number].key for number in (0, 2, 0, 4)]
    assert keys == ["000000000", "000000002", "000000000", "000000004"]
    assert are_mapped() == [True, False, True], "the one that was used longest ago is let go"
    assert dataset[2].key == "000000002"
    del dataset
    assert are_mapped() == [False, False, False]


def test_opened_anew_it_shows_what_was_restored(project):
    before = open_dataset(project.output)[0].latents.copy()
    tar = project.output / "shards/00000.tar"
    flip_byte(tar, 512 + 128)
    assert not np.array_equal(open_dataset(project.output)[0].latents, before)
    tar.with_suffix(".parquet").unlink()
    project.compile()
    np.testing.assert_array_equal(open_dataset(project.output)[0].latents, before)


def test_an_array_that_is_not_what_its_index_says_is_refused(project):
    tar = project.output / "shards/00000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"'<f2'", b"'<i2'", 1))
    message = (
        r"00000\.tar: cannot be read \(latents\.npy has int16 .* float16 .*: rm .*again to rest"
    )
    with pytest.raises(DatasetError, match=message):
        open_dataset(project.output)[0]


def test_a_sound_dataset_has_no_problems(finished):
    assert finished.verify() == []


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped byte of a tar": (
        lambda path: flip_byte(path / "shards/00001.tar"),
        "shards/00001.tar has another SHA-256 than its index says; first: rm ",
    ),
    "flipped byte of a text": (
        lambda path: flip_byte(path / "shards/00001.text.safetensors"),
        "shards/00001.text.safetensors has another SHA-256 than its index says; first: rm ",
    ),
    "flipped byte of an index": (
        lambda path: flip_byte(
            path / "shards/00001.parquet",
            (path / "shards/00001.parquet").read_bytes().index(b"002.png"),
        ),
        "shards/00001.parquet has another SHA-256 than dataset.json says; first: rm ",
    ),
    "cut tar": (
        lambda path: (path / "shards/00001.tar").write_bytes(bytes(512)),
        "shards/00001.tar has 512 bytes instead of 20480",
    ),
    "missing tar": (
        lambda path: (path / "shards/00001.tar").unlink(),
        "shards/00001.tar is missing",
    ),
    "missing text": (
        lambda path: (path / "shards/00002.text.safetensors").unlink(),
        "shards/00002.text.safetensors is missing",
    ),
    "damaged index": (
        lambda path: (path / "shards/00001.parquet").write_bytes(b"PAR1"),
        "shards/00001.parquet has another SHA-256 than dataset.json says; first: rm ",
    ),
    "missing index": (
        lambda path: (path / "shards/00001.parquet").unlink(),
        "shards/00001.parquet is missing or damaged",
    ),
    "missing rejected": (
        lambda path: (path / "rejected.parquet").unlink(),
        "rejected.parquet is missing",
    ),
    "missing null prompt": (
        lambda path: (path / "null_prompt.safetensors").unlink(),
        "null_prompt.safetensors is missing",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_the_advice_restores_the_very_bytes(project, damage):
    before = project.files()
    dataset = open_dataset(project.output)
    inflict, message = DAMAGES[damage]
    inflict(project.output)
    (problem,) = dataset.verify()
    assert problem.startswith(message)
    _, found, command = problem.partition("first: ")
    assert bool(found) == message.endswith("first: rm ")
    if found:
        subprocess.run(shlex.split(command), check=True)
    project.compile()
    assert project.files() == before
    assert open_dataset(project.output).verify() == []


def test_every_problem_is_listed(project):
    dataset = open_dataset(project.output)
    for shard in range(3):
        flip_byte(project.output / f"shards/{shard:05d}.tar")
    assert [problem[:16] for problem in dataset.verify()] == [
        f"shards/{shard:05d}.tar" for shard in range(3)
    ]


@pytest.mark.parametrize("name", ["samples", "rejected"])
def test_counts_that_do_not_add_up_are_found(project, name):
    totals = open_dataset(project.output).info.totals
    forget_checksums(project)
    change_info(project, totals=totals.plain() | {name: 77})
    (problem,) = open_dataset(project.output).verify()
    assert problem == f"dataset.json counts 77 {name}, the shards {getattr(totals, name)}"


def test_a_folder_with_spaces_is_quoted_in_the_advice(project):
    folder = project.output.rename(project.root / "my data")
    flip_byte(folder / "shards/00000.tar")
    (problem,) = open_dataset(folder).verify()
    assert problem.endswith(f"rm '{folder}/shards/00000.parquet'")


def test_a_damaged_index_is_named_on_reading(project):
    (project.output / "shards/00001.parquet").write_bytes(b"")
    dataset = open_dataset(project.output)
    with pytest.raises(DatasetError, match=r"shards/00001\.parquet: missing or damaged"):
        dataset[0]


def test_verify_names_every_damaged_index(project):
    forget_checksums(project)
    for number in (0, 2):
        (project.output / f"shards/{number:05d}.parquet").write_bytes(b"")
    assert open_dataset(project.output).verify() == [
        "shards/00000.parquet is missing or damaged",
        "shards/00002.parquet is missing or damaged",
    ]


def test_verify_finds_a_damaged_list_of_rejected_rows(project):
    (project.output / "rejected.parquet").write_bytes(b"PAR1")
    (problem,) = open_dataset(project.output).verify()
    assert problem.startswith("rejected.parquet is damaged; first: rm ")


def test_verify_finds_a_flipped_byte_in_the_null_prompt(project):
    flip_byte(project.output / "null_prompt.safetensors")
    (problem,) = open_dataset(project.output).verify()
    assert problem.startswith("null_prompt.safetensors is damaged; first: rm ")


@pytest.mark.parametrize("suffix", ["tar", "text.safetensors"])
@pytest.mark.parametrize("size", [None, 0, 3000])
def test_reading_a_missing_or_shorter_shard_is_an_error_with_the_remedy(project, suffix, size):
    path = project.output / f"shards/00000.{suffix}"
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    remedy = "compile again" if size is None else r"first: rm .*00000\.parquet, and compile again"
    with pytest.raises(DatasetError, match=rf"00000\.{suffix}: .*; {remedy} to restore it"):
        open_dataset(project.output)[0]


def test_a_folder_without_a_dataset_is_named(tmp_path):
    with pytest.raises(DatasetError, match=f"{tmp_path}/x: no dataset.json .*onepic-compile"):
        open_dataset(tmp_path / "x")


def test_a_newer_format_asks_for_a_newer_onepic(project):
    change_info(project, format_version=FORMAT_VERSION + 1)
    with pytest.raises(DatasetError, match=r"format version 3 is newer .*\(2\); upgrade onepic"):
        open_dataset(project.output)


def test_an_unfinished_dataset_is_not_opened(project):
    change_info(project, complete=False)
    with pytest.raises(DatasetError, match="has not finished; run onepic-compile again"):
        open_dataset(project.output)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("\xff", "cannot be read as JSON"),
        ("[]", "not a dataset.json of onepic"),
        ('{"complete": true}', "not a dataset.json of onepic"),
    ],
)
def test_a_file_that_the_compiler_did_not_write_is_refused(tmp_path, text, message):
    (tmp_path / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=f"{tmp_path}/dataset.json: {message}"):
        open_dataset(tmp_path)
