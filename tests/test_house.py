"""The floor plan, which CONTRIBUTING.md draws: which room may import which."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house import ROOT, imported, imports, modules, packages, rooms

LOW = {"common", "backbones", "canvas", "dataset", "tables"}
#: What each room may import besides itself.
BELOW = {
    "common": set(),
    "backbones": {"common"},
    "canvas": {"common"},
    "dataset": {"common", "backbones", "canvas"},
    "tables": {"common", "canvas"},
    "compiler": LOW,
    "trainer": LOW,
    "sampler": {*LOW, "trainer"},
    "recipes": set(),
    "miniature": {*LOW, "compiler", "trainer", "sampler"},  # scripts, on which nothing stands
}
#: The imports that go up, each for a reason: what module imports what.
UP = {
    ("backbones.model", "miniature"),  # the model that comes with onepic: where its folder is
    ("trainer.cli", "sampler"),  # --pictures: the command lends training a function that draws
}
COMMANDS = ("compiler", "compiler.inspection", "compiler.publishing", "trainer", "sampler")


def test_the_table_has_every_room():
    assert sorted(BELOW) == list(rooms())


@pytest.mark.parametrize("room", BELOW)
def test_imports_between_rooms_go_down(room: str):
    crossing = {
        (module.name, name)
        for module in modules().values()
        for name in imports()[module.name]
        if module.room == room and name.partition(".")[0] not in {room, *BELOW[room]}
    }
    assert crossing == {(module, name) for module, name in UP if modules()[module].room == room}


def test_no_module_imports_in_a_circle():
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from ..common.errors import RowError", "common.errors"),
        ("from .. import common", "common"),
        ("from . import plan, shard", "compiler.plan compiler.shard"),
        ("from .sources import Source", "compiler.sources"),
        ("from onepic.canvas import layout", "canvas.layout"),
        ("import numpy, onepic.canvas.layout", "canvas.layout"),
        ("def late():\n    from .plan import Plan", "compiler.plan"),
        ("if TYPE_CHECKING:\n    from .plan import Plan", "compiler.plan"),
        ("import numpy\nfrom pathlib import Path", ""),
    ],
)
def test_an_import_is_seen_wherever_and_however_it_is_written(source: str, expected: str):
    assert " ".join(imported(source, "compiler")) == expected


@pytest.mark.parametrize("package", packages())
def test_a_package_tells_of_all_its_modules(package: str):
    module = modules()[package]
    told = ast.get_docstring(ast.parse(module.path.read_text())) or ""
    parts = {name.rpartition(".")[2] for name in modules() if name.rpartition(".")[0] == package}
    assert {part for part in parts - {"__main__"} if f"`{part}`" not in told} == set()


def test_the_compiler_can_be_read_from_a_list_of_its_files():
    assert len(list((ROOT / "compiler").glob("*.py"))) <= 15


def test_reading_a_dataset_loads_nothing_that_compiles():
    loaded = run("import onepic.trainer.canvases")
    assert "onepic.dataset.stores.store" in loaded
    assert not [name for name in loaded if name.startswith("onepic.compiler")]


def test_help_comes_before_the_slow_libraries_are_loaded():
    ask = "assert CliRunner().invoke(import_module('onepic.{}.cli').app, ['--help']).exit_code == 0"
    asked = [ask.format(command) for command in COMMANDS]
    start = "from importlib import import_module; from typer.testing import CliRunner"
    slow = {"accelerate", "diffusers", "peft", "ray", "torch", "transformers"}
    assert not slow & run("\n".join([start, *asked]))


def run(code: str) -> set[str]:
    """The modules that Python has loaded after running `code` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())
