"""Small builders that tests share."""

from __future__ import annotations

import itertools
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import yaml
from hub import TOKEN, Hub
from hub_server import served
from hypothesis import settings
from PIL import Image

from onepic.backbones.model import open_model
from onepic.compiler import Recipe, Scheduling, Summary, compile_dataset
from onepic.compiler.engines.engine import EncoderSettings
from onepic.compiler.engines.local import LocalEncoder

DrawPicture = Callable[..., Image.Image]

# A busy machine makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def draw_picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """A smooth colour picture that is different for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def picture() -> DrawPicture:
    """`picture(width, height, seed)` draws an RGB image."""
    return draw_picture


@pytest.fixture
def picture_folder(tmp_path: Path) -> Callable[..., Path]:
    """`picture_folder(count)` makes a folder with that many PNG files."""

    def make(count: int = 4, name: str = "pictures", suffix: str = ".png") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            draw_picture(seed=number).save(folder / f"{number:03d}{suffix}")
        return folder

    return make


@dataclass(frozen=True)
class Project:
    """A folder with pictures, a recipe that colours them, and the dataset made from both.

    Nothing in it says where it lies, so a copy of a project is as finished as the project.
    """

    root: Path

    @property
    def output(self) -> Path:
        return self.root / "data"

    def draw(self, *seeds: int) -> None:
        """Draw pictures named after their seeds: ``pictures/000.png`` and so on."""
        (self.root / "pictures").mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            draw_picture(seed=seed).save(self.root / f"pictures/{seed:03d}.png")

    def data(self, **changes: Any) -> dict[str, Any]:
        """The recipe as plain data, two pictures to a shard, with some keys changed."""
        return {
            "task": "colorization",
            "source": {"kind": "folder", "path": "pictures"},
            "panels": {
                "grey": {"from": "image", "apply": ["grayscale"]},
                "colour": {"from": "image"},
            },
            "layout": [["grey", "colour"]],
            "target": "colour",
            "prompt": "colorize",
            "panel_size": {"width": 64, "height": 64},
            "samples_per_shard": 2,
        } | changes

    def recipe(self, **changes: Any) -> Recipe:
        return Recipe.model_validate(self.data(**changes))

    def write_recipe(self, **changes: Any) -> Path:
        self.root.mkdir(exist_ok=True)
        path = self.root / "recipe.yaml"
        path.write_text(yaml.safe_dump(self.data(**changes), sort_keys=False))
        return path

    def compile(self, report: Any = None, **changes: Any) -> Summary:
        return compile_dataset(
            self.recipe(**changes),
            self.output,
            recipe_folder=self.root,
            scheduling=Scheduling(local=True),
            report=report,
        )

    def files(self) -> dict[str, bytes]:
        """Every file of the dataset by its relative path, but for the compiler's own notes."""
        paths = (path for path in self.output.rglob("*") if path.is_file())
        named = ((str(path.relative_to(self.output)), path) for path in sorted(paths))
        return {name: path.read_bytes() for name, path in named if not name.startswith(".compile")}


#: The token of the account `someone` on the Hub of the tests.
@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on this machine that this process, logged in as `someone`, takes for the real one."""
    hub = Hub(accounts={TOKEN: "someone", "hf_ofAnother": "another"})
    with served(hub):
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
        huggingface_hub.close_session()


@pytest.fixture
def bare_project(tmp_path: Path) -> Project:
    """A project without pictures."""
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A compiled project of five pictures, for reading only."""
    project = Project(tmp_path_factory.mktemp("finished"))
    project.draw(*range(5))
    project.compile()
    return project


@pytest.fixture(scope="session")
def compiled_colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 24 pictures in five shards, for reading only."""
    project = Project(tmp_path_factory.mktemp("colours"))
    project.draw(*range(24))
    project.compile(samples_per_shard=5)
    return project.output


@pytest.fixture(scope="session")
def compiled_portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 14 persons in one shard, for reading only.

    Of each there are five pictures, each the target of four canvases, right of two of the others.
    """
    project = Project(tmp_path_factory.mktemp("portraits"))
    for person, number in itertools.product(range(14), range(5)):
        folder = project.root / f"people/{person:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        draw_picture(16, 16, 5 * person + number).save(folder / f"{number}.png")
    columns = {"first": "image.1", "second": "image.2", "new": "image"}
    people = {"kind": "folder", "path": "people"}
    project.compile(
        source={"kind": "groups", "of": people, "references": 2, "samples": 4},
        panels={name: {"from": column} for name, column in columns.items()},
        layout=[list(columns)],
        target="new",
        panel_size={"width": 16, "height": 16},
        samples_per_shard=1000,
    )
    return project.output


@pytest.fixture(scope="session")
def train_adapter(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`train_adapter(dataset, adapter={"kind": "dora"})` trains two steps; the run's folder."""
    from onepic.trainer import Settings, train

    def run(*datasets: Path, **changes: Any) -> Path:
        settings = {
            "steps": 2,
            "batch_size": 2,
            "learning_rate": 1e-2,
            "adapter": {"rank": 4},
            "tracker": "none",
            "precision": "no",
            "gradient_checkpointing": False,
            "validation_samples": 0,
        }
        output = tmp_path_factory.mktemp("runs") / "run"
        train(datasets, output, Settings.model_validate(settings | changes))
        return output

    return run


@pytest.fixture
def project(finished_project: Project, tmp_path: Path) -> Project:
    """A compiled project of five pictures, to be changed."""
    return Project(Path(shutil.copytree(finished_project.root, tmp_path / "project")))


@pytest.fixture(scope="session")
def encoder() -> Iterator[LocalEncoder]:
    """The miniature's VAE and text encoders, loaded once."""
    encoder = LocalEncoder(EncoderSettings(open_model("miniature"), "mean", threads=2).open())
    yield encoder
    encoder.close()


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """`with largest_file(size):` lets writing fail after so many bytes of a file."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
