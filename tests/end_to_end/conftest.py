"""Running the commands as users do: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
    """`onepic-compile`, run in a folder."""

    folder: Path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start it in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [sys.executable, "-m", "onepic.compiler", *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: object) -> Result:
        """Run it to its end."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=300)
        return Result(process.returncode, output, errors)


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
