"""No Python file is run because an adapter or a picture names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from onepic.backbones import BACKBONES
from onepic.canvas.operations import OPERATIONS
from onepic.common.errors import TaskError
from onepic.sampler import open_task
from onepic.sampler.request import Request
from onepic.trainer.adapter_files import files_of_adapters

if TYPE_CHECKING:
    from tests.conftest import Project

CODE = """
from pathlib import Path
from onepic.compiler.operations import Operation, register

Path(__file__).with_name("was-run").touch()


@register
class Foreign(Operation):
    name = "foreign"
"""
Folder = Callable[..., Path]


@pytest.fixture
def folder_with(
    write_card: Callable[..., Path], compiled_colours: Path
) -> Iterator[Callable[..., Path]]:
    """`folder_with(name, **task)` is an adapter's folder with code, which its card names."""

    def write(name: str = "own.py", **changes: Any) -> Path:
        folder = write_card(compiled_colours)
        card = json.loads((folder / "task.json").read_text())
        task = card["tasks"]["colorization"] | changes
        task["recipe"]["operations"] = [name]
        task["recipe"]["panels"]["grey"]["apply"] = [{"foreign": {}}]
        card["tasks"]["colorization"] = task
        (folder / "task.json").write_text(json.dumps(card))
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(CODE)
        return folder

    yield write
    OPERATIONS.pop("foreign", None)


def was_run(folder: Path) -> bool:
    return any(folder.rglob("was-run"))


@pytest.mark.parametrize("name", ["own.py", "unet/own.py", "../card/own.py"])
def test_code_that_came_with_an_adapter_is_not_run(folder_with: Folder, name: str) -> None:
    folder = folder_with(name)
    message = rf"(?s)'foreign'.*own operations are in {name}, .*give --operations FILE"
    with pytest.raises(TaskError, match=message):
        open_task(folder)
    assert not was_run(folder)


def test_a_file_that_the_user_names_is_run(folder_with: Folder, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "own.py"
    mine.parent.mkdir()
    mine.write_text(CODE)
    folder = folder_with()
    task = open_task(folder, operations=[mine])
    assert task.recipe.panels["grey"].apply[0].name == "foreign"
    assert was_run(mine.parent)
    assert not was_run(folder)
    assert open_task(folder) == task  # as the pipeline opens it again


def test_another_file_of_that_name_is_not_run(folder_with: Folder) -> None:
    folder = folder_with(operation_files={"own.py": hashlib.sha256(b"of training").hexdigest()})
    with pytest.raises(TaskError, match=r"own\.py: not the file of training, whose SHA-256 is"):
        open_task(folder, operations=[folder / "own.py"])
    assert not was_run(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [("other.py", r"not a file of the task; it names own\.py"), ("sub/own.py", "no such file")],
)
def test_a_file_that_makes_no_sense_is_refused(
    folder_with: Folder, name: str, message: str
) -> None:
    folder = folder_with()
    with pytest.raises(TaskError, match=message):
        open_task(folder, operations=[folder / name])
    assert not was_run(folder)


def test_a_card_says_which_files_the_task_was_trained_with(
    bare_project: Project, write_card: Callable[..., Path]
) -> None:
    bare_project.draw(0, 1)
    own = bare_project.root / "own.py"
    own.write_text(CODE.replace('"foreign"', '"own_for_test"'))
    try:
        bare_project.compile(operations=["own.py"])
        card = json.loads((write_card(bare_project.output) / "task.json").read_text())
    finally:
        OPERATIONS.pop("own_for_test", None)
    assert card["tasks"]["colorization"]["operation_files"] == {
        "own.py": hashlib.sha256(own.read_bytes()).hexdigest()
    }


def test_a_picture_names_no_code() -> None:
    with pytest.raises(ValidationError, match="unknown key"):
        Request.model_validate({"run": "runs/a", "images": {}, "operations": ["own.py"]})


def test_of_an_adapter_on_the_hub_no_code_is_fetched() -> None:
    files = [f for one in BACKBONES.values() for f in files_of_adapters(one.network.folder)]
    assert {Path(file).suffix for file in files} == {".json", ".safetensors"}
    assert not any(character in "".join(files) for character in "*?[")
