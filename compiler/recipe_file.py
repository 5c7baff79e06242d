"""Reading a recipe from YAML, with overrides, and with errors that name the file, line and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .errors import RecipeError
from .operations import load_operations_file
from .recipe import Recipe

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Override:
    """A value that replaces one of the recipe's; `option` is how the user gave it."""

    path: KeyPath
    value: Any
    option: str

    @classmethod
    def parse(cls, text: str) -> Override:
        """Read ``panels.grey.apply=[grayscale]``: a path of keys, and a value in YAML.

        Raises:
            RecipeError: when there is no ``=`` or the value is not YAML.
        """
        option = f"--set {text}"
        keys, separator, value = text.partition("=")
        if not separator or not all(keys.split(".")):
            raise RecipeError(f"{option}: expected KEY.KEY=VALUE, such as panel_size.width=512")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RecipeError(f"{option}: the value is not YAML: {error}") from error
        path = tuple(int(key) if key.isdecimal() else key for key in keys.split("."))
        return cls(path, parsed, option)


@dataclass
class _Document:
    """A recipe before validation: its data, and where each key stands."""

    file: Path
    data: dict[str, Any]
    lines: dict[KeyPath, int]
    overrides: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """``recipes/x.yaml:7`` or the option that set the key, for the start of a message."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.overrides:
                return self.overrides[path[:end]]
            if path[:end] in self.lines:
                return f"{self.file}:{self.lines[path[:end]]}"
        return str(self.file)


def read_recipe(file: Path, overrides: Sequence[Override] = ()) -> Recipe:
    """The recipe of a YAML file.

    Raises:
        RecipeError: naming the file, line and key, for anything that is not a valid recipe.
    """
    document = _parse(file)
    for override in overrides:
        _apply(document, override)
    try:
        return recipe_from_data(document.data, file.parent)
    except ValidationError as error:
        problems = "\n".join(_describe(document, problem) for problem in error.errors())
        raise RecipeError(problems) from error


def recipe_from_data(data: Mapping[str, Any], folder: Path) -> Recipe:
    """Validate plain data, after importing the operation files that it names.

    Args:
        data: what the YAML of a recipe holds, or ``recipe.model_dump(by_alias=True)``.
        folder: the recipe's folder, to which operation files are relative.

    Raises:
        RecipeError: when an operation file cannot be imported.
        pydantic.ValidationError: when the data are not a recipe.
    """
    names = data.get("operations")
    for name in names if isinstance(names, list | tuple) else ():
        load_operations_file(folder / str(name))
    return Recipe.model_validate(data)


def _parse(file: Path) -> _Document:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecipeError(f"{file}: {reason}; expected a recipe in YAML") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: not UTF-8 text; expected a recipe in YAML") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{file}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise RecipeError(f"{file}: a YAML alias refers to itself; write its value out") from error
    if not isinstance(data, dict) or not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{file}: expected keys such as task, source, panels, layout and target")
    lines: dict[KeyPath, int] = {}
    _walk(file, node, (), lines)
    return _Document(file, data, lines)


def _walk(file: Path, node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    """Note the line of every key; YAML lets the last of two equal keys win silently, we do not."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            if inner in lines:
                line = key.start_mark.line + 1
                raise RecipeError(
                    f"{file}:{line}: {_dotted(inner)} is there twice (first in line {lines[inner]})"
                )
            lines[inner] = key.start_mark.line + 1
            _walk(file, value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*path, number)] = value.start_mark.line + 1
            _walk(file, value, (*path, number), lines)


def _apply(document: _Document, override: Override) -> None:
    """Put a value into the data, making mappings on the way where there are none."""
    place: Any = document.data
    for number, key in enumerate(override.path[:-1]):
        _check_place(place, override, number)
        inner = place.get(key) if isinstance(place, dict) else place[key]
        # A copy: what YAML repeats with an anchor is one object, and only this place changes.
        keep = isinstance(inner, dict | list) or isinstance(place, list)
        place[key] = copy(inner) if keep else {}
        place = place[key]
    _check_place(place, override, len(override.path) - 1)
    place[override.path[-1]] = override.value
    replaced = [path for path in document.lines if path[: len(override.path)] == override.path]
    for path in replaced:
        del document.lines[path]
    document.overrides[override.path] = override.option


def _check_place(place: Any, override: Override, number: int) -> None:
    """Refuse a key of an override's path that cannot be in what stands before it."""
    key, before = override.path[number], _dotted(override.path[:number])
    if isinstance(place, list) and not (isinstance(key, int) and key < len(place)):
        raise RecipeError(
            f"{override.option}: {before} has {len(place)} items, numbered from 0; "
            f"{key!r} is none of them"
        )
    if not isinstance(place, dict | list):
        raise RecipeError(f"{override.option}: {before} has no {key!r} inside")


def _describe(document: _Document, problem: Mapping[str, Any]) -> str:
    path = _path_in_data(document.data, problem["loc"])
    if "key" in (context := problem.get("ctx", {})):
        path = (*path, context["key"])
    message = str(problem["msg"]).removeprefix("Value error, ").replace("valid tuple", "list")
    if problem["type"] == "missing":
        path = (*path, problem["loc"][-1])
        message = "this key is required"
    if path:
        return f"{document.place(path)}: {_dotted(path)}: {message}"
    # A check of several keys against each other begins its message with the key to change.
    return f"{document.place(tuple(message.partition(':')[0].split('.')))}: {message}"


def _path_in_data(data: Any, location: KeyPath) -> KeyPath:
    """The keys of a pydantic location that the user wrote, without the names of union members."""
    path: list[str | int] = []
    for key in location:
        inside = isinstance(data, dict) and key in data
        inside = inside or (isinstance(data, list) and isinstance(key, int) and key < len(data))
        if inside:
            path.append(key)
            data = data[key]
    return tuple(path)


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
