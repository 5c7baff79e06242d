"""What recipes can do to a picture on its way to a panel.

A recipe writes an operation as its name (``grayscale``) or as a name with options
(``{canny: {low: 50}}``); a Python file named in the recipe can register more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import RowError
from ..strict import suggest
from . import canny, colour, degrade, depth, detector, erase, geometry
from .base import Operation, Picture, failing_one_row
from .registry import OPERATIONS, load_operations_file, register

__all__ = [
    "OPERATIONS",
    "Operation",
    "Picture",
    "RowError",
    "dump_operation",
    "failing_one_row",
    "load_operations_file",
    "parse_operation",
    "register",
]

#: The modules that register our own operations.
BUILT_IN = (colour, degrade, erase, geometry, canny, detector, depth)


def parse_operation(value: object) -> Operation:
    """Read an operation as a recipe writes it.

    Raises:
        ValueError: when `value` has another form, or names no operation that is registered.
        pydantic.ValidationError: when the options do not suit the operation.
    """
    name, options = _name_and_options(value)
    if name not in OPERATIONS:
        raise ValueError(f"unknown operation {name!r}; {suggest(name, sorted(OPERATIONS))}")
    return OPERATIONS[name].model_validate(options)


def dump_operation(operation: Operation) -> dict[str, dict[str, Any]]:
    """``{name: options}`` with every option in full, as plain data; `parse_operation` reads it."""
    return {operation.name: operation.model_dump(mode="json")}


def _name_and_options(value: object) -> tuple[str, Mapping[str, Any]]:
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Mapping) and len(value) == 1:
        name, options = next(iter(value.items()))
        if isinstance(name, str) and (options is None or isinstance(options, Mapping)):
            return name, options or {}
    expected = "a name (grayscale) or a name with its options ({canny: {low: 50}})"
    raise ValueError(f"an operation is {expected}, not {value!r}")
