"""Running the commands as users do: in processes of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hub import TOKEN, Hub
from PIL import Image
from typer.testing import CliRunner

if TYPE_CHECKING:
    from tests.conftest import Project


@dataclass(frozen=True)
class Result:
    """What a command left behind: its exit code and what it printed."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True)
class Command:
    """A command of onepic, by its package's name, run in a folder."""

    folder: Path
    package: str = "compiler"
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """Start it in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [sys.executable, "-m", f"onepic.{self.package}", *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1"} | dict(self.environment),
            **options,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: object, **options: Any) -> Result:
        """Run it to its end."""
        process = self.start(*arguments, **options)
        output, errors = process.communicate(timeout=300)
        return Result(process.returncode, output, errors)

    def here(self, *arguments: object) -> Result:
        """Run it in this process: quicker, for what does not depend on one of its own."""
        app = import_module(f"onepic.{self.package}.cli").app
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            with contextlib.chdir(self.folder):
                result = CliRunner().invoke(app, [*map(str, arguments)], env={"NO_COLOR": "1"})
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """What makes commands take the test's Hub for the real one; it has no Xet."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "hf"),
        "ONEPIC_CACHE": str(tmp_path / "cache"),
    }


@pytest.fixture
def command() -> type[Command]:
    """`command(folder, package, environment)` runs a command of onepic there."""
    return Command


@pytest.fixture
def pictures(bare_project: Project) -> Project:
    """A project of twelve pictures and a written recipe, nothing compiled."""
    bare_project.draw(*range(12))
    bare_project.write_recipe()
    return bare_project


@pytest.fixture
def onepic_compile(bare_project: Project) -> Callable[..., Result]:
    """`onepic_compile(*arguments)` runs the command in the project's folder."""
    bare_project.root.mkdir(exist_ok=True)
    return Command(bare_project.root)


@pytest.fixture
def onepic_train(tmp_path: Path, compiled_colours: Path) -> Command:
    """`onepic_train(*arguments)` runs the command in a folder that has the dataset `data`."""
    folder = tmp_path / "training"
    folder.mkdir()
    shutil.copytree(compiled_colours, folder / "data")
    return Command(folder, "trainer")


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, compiled_colours: Path) -> Path:
    """A run that trained two steps, for reading only."""
    folder = tmp_path_factory.mktemp("trained")
    options = ("--set", "gradient_checkpointing=false", "--set", "tracker=none")
    train = Command(folder, "trainer")
    result = train.here(compiled_colours, "--output", "run", "--steps", "2", *options)
    assert result.code == 0, result.errors
    return folder / "run"


@pytest.fixture
def sampling(tmp_path: Path, trained_run: Path, picture: Callable[..., Image.Image]) -> Command:
    """`sampling(*arguments)` runs onepic-sample in a folder with `run` and `grey.png`."""
    folder = tmp_path / "my pictures ü"
    folder.mkdir()
    shutil.copytree(trained_run, folder / "run")
    picture().save(folder / "grey.png")
    return Command(folder, "sampler")
