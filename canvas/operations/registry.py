"""The operations that recipes can name: ours, and those of a user's Python file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ...common.errors import RecipeError
from .base import Operation

OPERATIONS: dict[str, type[Operation]] = {}

O = TypeVar("O", bound=type[Operation])  # noqa: E741


def register(operation: O) -> O:
    """Class decorator that makes an operation known by its `name`.

    Raises:
        ValueError: when another class already has this name.
    """
    known = OPERATIONS.get(operation.name)
    if known is not None and known.__qualname__ != operation.__qualname__:
        raise ValueError(f"two operations are named {operation.name!r}: {known} and {operation}")
    OPERATIONS[operation.name] = operation
    return operation


def load_operations_file(path: Path) -> ModuleType:
    """Import a user's Python file, whose ``@register`` classes become operations.

    A file that was edited since is imported anew.

    Raises:
        RecipeError: when the file is missing or fails to import.
    """
    if not path.is_file():
        raise RecipeError(f"operations file {path} does not exist; give the path of a Python file")
    identity = str(path.resolve()).encode() + path.read_bytes()
    name = f"onepic_operations_{hashlib.sha256(identity).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"operations file {path} is not a Python file (expected NAME.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise RecipeError(f"operations file {path} fails to import: {error!r}") from error
    return module
