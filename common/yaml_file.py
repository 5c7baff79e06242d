"""Data from a YAML file and from options, with errors that name the file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from .errors import OnepicError
from .yaml_traps import KeyPath, hint_at_line, hints, option_traps, traps

#: Problems of a value that may have been meant as a text.
_OTHER_KIND = ("string_type", "literal_error", "value_error")


@dataclass(frozen=True)
class Kind:
    """A kind of file, in the words of the messages about it.

    `content` is such as "a recipe", `keys` such as "task, source and panels", `example` an override
    such as "seed=7"; `error` is what is raised.
    """

    content: str
    keys: str
    example: str
    error: type[OnepicError]


@dataclass(frozen=True)
class Override:
    """A value that replaces one of the file's; `option` is how the user gave it.

    `hints` are about the keys inside of it, as those of a `Document`.
    """

    path: KeyPath
    value: Any
    option: str
    hints: Mapping[KeyPath, str] = field(default_factory=dict, compare=False)

    @classmethod
    def parse(cls, text: str, kind: Kind) -> Override:
        """Read ``panels.grey.apply=[grayscale]``: a path of keys, and a value in YAML.

        Raises:
            kind.error: when there is no ``=``, or the value is not YAML or not what it looks like.
        """
        option = f"--set {text}"
        keys, separator, value = text.partition("=")
        if not separator or not all(keys.split(".")):
            raise kind.error(f"{option}: expected KEY.KEY=VALUE, such as {kind.example}")
        path = tuple(int(key) if key.isdecimal() else key for key in keys.split("."))
        try:
            parsed = yaml.safe_load(value)
            problem, hinted = option_traps(keys, value)
        except RecursionError as error:
            raise kind.error(f"{option}: a YAML alias refers to itself") from error
        except yaml.YAMLError as error:
            hint = hint_at_line(f"{path[-1]}: {value}")
            message = f"{option}: the value is not YAML: {error}"
            raise kind.error(f"{message}; {hint}" if hint else message) from error
        if problem:
            raise kind.error(f"{option}: {problem}")
        return cls(path, parsed, option, hinted)


@dataclass(frozen=True)
class Document:
    """A file and its overrides before validation, and where each key stands.

    `hints` say for values that are no texts how to write them as texts.
    """

    file: Path | None
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    options: dict[KeyPath, str] = field(default_factory=dict)
    hints: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """``recipes/x.yaml:7`` or the option that set the key; empty where there is neither."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.options:
                return self.options[path[:end]]
            if path[:end] in self.lines:
                return f"{self.file}:{self.lines[path[:end]]}"
        return str(self.file or "")

    def explain(self, error: ValidationError) -> str:
        """The problems of `data`, a line each: ``recipes/x.yaml:7: key: message``.

        A model's own check of several keys against each other is placed by its message, which
        begins with the key to change.
        """
        return "\n".join(self._describe(problem) for problem in error.errors())

    def _describe(self, problem: Mapping[str, Any]) -> str:
        path = _path_in_data(self.data, problem["loc"])
        if "key" in (context := problem.get("ctx", {})):
            path = (*path, context["key"])
        message = str(problem["msg"]).removeprefix("Value error, ").replace("valid tuple", "list")
        if problem["type"] == "missing":
            path = (*path, problem["loc"][-1])
            message = "this key is required"
        key = path or tuple(message.partition(":")[0].split("."))
        said = ": ".join(part for part in (self.place(key), _dotted(path), message) if part)
        is_about_kind = problem["type"] in _OTHER_KIND and path in self.hints
        return f"{said}; {self.hints[path]}" if is_about_kind else said


def read_document(file: Path | None, kind: Kind, overrides: Sequence[Override] = ()) -> Document:
    """The data of a YAML file, or none, with the overrides' values put in.

    Raises:
        kind.error: when the file cannot be read, is no YAML of keys and values or has a key twice,
            or when an override does not fit.
    """
    document = Document(None, {}) if file is None else _parse(file, kind)
    for override in overrides:
        _apply(document, override, kind)
    return document


def _parse(file: Path, kind: Kind) -> Document:
    text = _read(file, kind)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
        lines = list(_walk(node, ()))
        wrong, hinted = list(traps(node, text)), dict(hints(node, text))
    except yaml.YAMLError as error:
        raise kind.error(_explain_syntax(file, text, error)) from error
    except RecursionError as error:
        raise kind.error(f"{file}: a YAML alias refers to itself; write its value out") from error
    if not isinstance(data, dict):
        raise kind.error(f"{file}: expected keys such as {kind.keys}")
    for path, found, problem in wrong:
        line = found.start_mark.line + 1
        raise kind.error(f"{file}:{line}: {_dotted(path)}: {problem}")
    return Document(file, data, _refuse_twice(file, lines, kind), hints=hinted)


def _explain_syntax(file: Path, text: str, error: yaml.YAMLError) -> str:
    """Quote YAML's error, and hint where its line or the one before it lacks quotes."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    message = f"{file}: not valid YAML: {error}"
    lines = text.splitlines()
    for number in (mark.line, mark.line - 1) if mark else ():
        if 0 <= number < len(lines) and (hint := hint_at_line(lines[number])):
            return f"{message}\n{file}:{number + 1}: {hint}"
    return message


def _read(file: Path, kind: Kind) -> str:
    expected = f"expected {kind.content} in YAML"
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise kind.error(f"{file}: {error.strerror or error}; {expected}") from error
    except UnicodeDecodeError as error:
        raise kind.error(f"{file}: not UTF-8 text; {expected}") from error


def _walk(node: yaml.Node | None, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """Every key and item in the order of the file, each with its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _walk(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*path, number), value.start_mark.line + 1
            yield from _walk(value, (*path, number))


def _refuse_twice(file: Path, lines: list[tuple[KeyPath, int]], kind: Kind) -> dict[KeyPath, int]:
    """The line of every key; YAML lets the last of two equal keys win silently, we do not."""
    first: dict[KeyPath, int] = {}
    for path, line in lines:
        if path in first:
            raise kind.error(
                f"{file}:{line}: {_dotted(path)} is there twice (first in line {first[path]})"
            )
        first[path] = line
    return first


def _apply(document: Document, override: Override, kind: Kind) -> None:
    """Put a value into the data, making mappings on the way where there are none."""
    place: Any = document.data
    for number, key in enumerate(override.path[:-1]):
        _check_place(place, override, number, kind)
        inner = place.get(key) if isinstance(place, dict) else place[key]
        # A copy: what YAML repeats with an anchor is one object, and only this place changes.
        keep = isinstance(inner, dict | list) or isinstance(place, list)
        place[key] = copy(inner) if keep else {}
        place = place[key]
    _check_place(place, override, len(override.path) - 1, kind)
    place[override.path[-1]] = override.value
    for known in (document.lines, document.hints):
        for path in [path for path in known if path[: len(override.path)] == override.path]:
            del known[path]
    for inner, hint in override.hints.items():
        document.hints[(*override.path, *inner)] = hint
    document.options[override.path] = override.option


def _check_place(place: Any, override: Override, number: int, kind: Kind) -> None:
    """Refuse a key of an override's path that cannot be in what stands before it."""
    key, before = override.path[number], _dotted(override.path[:number])
    if isinstance(place, list) and not (isinstance(key, int) and key < len(place)):
        raise kind.error(
            f"{override.option}: {before} has {len(place)} items, numbered from 0; "
            f"{key!r} is none of them"
        )
    if not isinstance(place, dict | list):
        raise kind.error(f"{override.option}: {before} has no {key!r} inside")


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
