"""A dataset at a URL is looked at as one in a folder is, and little of it is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from onepic.common.errors import DatasetError
from onepic.common.network import StoreError
from onepic.compiler.inspection.cli import app
from onepic.compiler.inspection.facts import Facts, gather_facts
from onepic.compiler.inspection.selection import draw_selection
from onepic.dataset.catalogue import open_catalogue
from onepic.dataset.writer import Sample
from tests.compiler.inspection.conftest import latents, reject, sample

NAME = "someone/canvases"
URL = f"hf://datasets/{NAME}"


def facts_of(place: str | Path, **bounds: int) -> Facts:
    catalogue = open_catalogue(place)
    return gather_facts(catalogue, draw_selection(catalogue.samples, 0, **bounds))


def onepic_inspect(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def files_of(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*.*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path for name, path in named.items() if not name.startswith(".")}


def large_samples(count: int) -> list[Sample]:
    """Samples of which latents and masks are most, as those of real models are."""
    return [sample(number, latents=latents(number, (4, 32, 64))) for number in range(count)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONEPIC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(make_dataset: Any) -> Path:
    return make_dataset(*map(sample, range(5)), rejected=[reject(9)])


@pytest.fixture
def published(hub: Any) -> Callable[[Path], Any]:
    """`published(folder)` puts a dataset on the Hub, and returns its repository."""

    def publish(folder: Path) -> Any:
        found = hub.make(NAME)
        found.hold(folder)
        return found

    return publish


@pytest.fixture
def in_memory() -> Iterator[Callable[[Path], str]]:
    """`in_memory(folder)` copies a dataset to a store, and returns its URL."""
    files = fsspec.filesystem("memory")

    def copy(folder: Path) -> str:
        for name, path in files_of(folder).items():
            files.pipe(f"/data/{name}", path.read_bytes())
        return "memory://data"

    yield copy
    files.store.clear()


def without_name(facts: Facts) -> Facts:
    return replace(facts, whole=replace(facts.whole, dataset=""))


def test_the_facts_are_those_of_the_folder(folder, published, in_memory):
    published(folder)
    here = facts_of(folder)
    assert here.problems == ()
    for place in (URL, in_memory(folder)):
        there = facts_of(place)
        assert there.whole.dataset == place
        assert without_name(there) == without_name(here)


def test_the_command_prints_the_same_with_the_url_as_the_name(folder, published):
    published(folder)
    here, there = onepic_inspect(folder), onepic_inspect(URL)
    assert there.exit_code == 0, there.stderr
    assert there.stdout == here.stdout.replace(str(folder), URL)
    assert f"next: onepic-train {URL}" in there.stdout


def test_the_page_and_the_picture_are_those_of_the_folder(
    finished_project, published, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    published(finished_project.output)
    pages = []
    for place in (finished_project.output, URL):
        assert onepic_inspect(place, "--html", "page.html").exit_code == 0
        pages.append(Path("page.html").read_text().replace(str(place), "DATASET"))
    assert pages[0] == pages[1]
    assert onepic_inspect(finished_project.output, "--image", 3).exit_code == 0
    result = onepic_inspect(URL, "--image", 3)
    assert result.exit_code == 0, result.stderr
    assert "picture: canvases-3.png" in result.stdout
    assert Path("canvases-3.png").read_bytes() == Path("data-3.png").read_bytes()


def test_of_large_shards_only_the_samples_are_fetched(make_dataset, published, hub, cache):
    shape = (4, 64, 128)
    samples = (sample(n, latents=latents(n, shape)) for n in range(64))
    folder = make_dataset(*samples, per_shard=32)
    published(folder)
    hub.asked.clear()
    facts = facts_of(URL, most_samples=1)
    assert facts.problems == ()
    assert facts.selected.samples == 1
    assert sum(request.endswith(".tar") for request in hub.asked) == 1
    assert not list(cache.glob("*/shards/*"))
    assert not [request for request in hub.asked if "text" in request]


def test_shards_of_which_most_is_read_are_kept_for_training(make_dataset, published, hub, cache):
    published(make_dataset(*large_samples(6)))
    facts_of(URL)
    assert len(list(cache.glob("*/shards/*.tar"))) == 3
    hub.asked.clear()
    facts_of(URL)
    assert not [request for request in hub.asked if request.endswith((".tar", "shards/*.parquet"))]


class TestProblems:
    def test_missing_and_shorter_files_are_found(self, folder, published):
        repository = published(folder)
        data = (folder / "shards/00002.tar").read_bytes()
        for name, damaged in (
            ("shards/00000.tar", None),
            ("shards/00001.parquet", None),
            ("shards/00002.tar", data[:900]),
            ("rejected.parquet", None),
        ):
            repository.edit(name, damaged)
            (folder / name).write_bytes(damaged) if damaged else (folder / name).unlink()
        problems = facts_of(URL).problems
        assert (
            problems[:4]
            == facts_of(folder).problems[:4]
            == (
                "shards/00000.tar is missing",
                "shards/00001.parquet is missing or damaged",
                f"shards/00002.tar has 900 bytes instead of {len(data)}",
                "rejected.parquet is missing",
            )
        )
        assert problems[4:] == (
            "shards/00000.tar: not found (samples 0, 1)",
            "shards/00002.tar: it is shorter than its index says (sample 2)",
        )
        assert onepic_inspect(URL).exit_code == 1

    def test_a_damaged_shard_that_is_fetched_whole_is_told(self, make_dataset, published):
        folder = make_dataset(*large_samples(6))
        data = bytearray((folder / "shards/00001.tar").read_bytes())
        data[-1] ^= 1
        published(folder).edit("shards/00001.tar", bytes(data))
        (problem,) = facts_of(URL).problems
        assert problem.startswith("shards/00001.tar: found 51200 bytes with SHA-256")
        assert problem.endswith("(samples 2, 3)")

    def test_an_unfinished_dataset_is_shown_as_far_as_it_is(self, make_dataset, in_memory):
        url = in_memory(make_dataset(*map(sample, range(4)), complete=False))
        fsspec.filesystem("memory").rm("/data/shards/00000.tar")
        facts = facts_of(url)
        assert facts.problems == (
            "compiling it has not finished; run onepic-compile again",
            "shards/00000.tar is missing",
            "shards/00000.tar: not found (samples 0, 1)",
        )

    def test_one_that_is_being_published_or_compiled_there_says_so(self, make_dataset, published):
        published(make_dataset(sample(0), complete=False))
        result = onepic_inspect(URL)
        assert result.exit_code == 1
        assert "it is not complete; run the onepic-compile or onepic-publish again" in result.stdout

    def test_a_wrong_name_a_missing_login_and_a_broken_network_are_one_line(
        self, folder, published, hub, monkeypatch, tmp_path
    ):
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
        monkeypatch.setattr("onepic.common.patience.time.sleep", lambda _: None)
        result = onepic_inspect("hf://datasets/someone/nothing")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 1
        assert "nothing: the Hub knows no such repository" in result.stderr
        repository = published(folder)
        hub.fail("GET .*00001.tar", 503, times=99)
        with pytest.raises(DatasetError, match=r"00001\.tar: cannot be fetched: .* tried 4 times"):
            facts_of(URL)
        repository.private = True
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
        with pytest.raises(StoreError, match="not logged in; run `hf auth login`"):
            facts_of(URL)
