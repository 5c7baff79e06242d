"""The sources of onepic as data: its rooms, their modules, and who imports whom."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Module:
    """A module of onepic: its name without ``onepic.``, and its file.

    A package's `__init__` is a module of its own: to import one of the package's parts is not to
    import all that the package lists.
    """

    name: str
    path: Path

    @property
    def room(self) -> str:
        """The folder of the repository in which it lies."""
        return self.name.partition(".")[0]

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]


@cache
def rooms() -> tuple[str, ...]:
    """The folders of the repository that are installed."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return tuple(sorted(tools["setuptools"]["package-dir"].values()))


@cache
def modules() -> Mapping[str, Module]:
    """All modules of all rooms, by their names."""
    found = (module_at(path) for room in rooms() for path in sorted((ROOT / room).rglob("*.py")))
    return {module.name: module for module in found}


def packages() -> list[str]:
    """The names of the modules that are packages."""
    return [name for name, module in modules().items() if module.package == name]


def module_at(path: Path) -> Module:
    """The module whose file is `path`."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return Module(name.removesuffix(".__init__"), path)


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """Which modules of onepic each module imports, at any time and be it for types only."""
    return {
        name: frozenset(imported(module.path.read_text(), module.package)) - {name}
        for name, module in modules().items()
    }


def imported(source: str, package: str) -> Iterator[str]:
    """The modules of onepic that `source` imports as a part of `package`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from filter(None, map(_inside, (alias.name for alias in node.names)))
        elif isinstance(node, ast.ImportFrom):
            start = _start(node, package)
            if start is not None:
                for alias in node.names:
                    part = f"{start}.{alias.name}".removeprefix(".")
                    yield part if part in modules() else start


def _start(node: ast.ImportFrom, package: str) -> str | None:
    """The module from which `node` imports names; None where it is not one of onepic."""
    if not node.level:
        return _inside(node.module or "")
    ancestors = package.split(".")
    return ".".join([*ancestors[: len(ancestors) - node.level + 1], *filter(None, [node.module])])


def _inside(name: str) -> str | None:
    if name == "onepic":
        return ""
    return name.removeprefix("onepic.") if name.startswith("onepic.") else None
