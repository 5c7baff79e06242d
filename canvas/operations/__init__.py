"""Operations: changes that recipes make to a picture on its way to a panel.

A recipe writes an operation as its name (``grayscale``) or as a name with options
(``{canny: {low: 50}}``); a Python file named in the recipe can register more.

- `base`, `registry`: what an operation is, and which there are.
- `colour`, `degrade`, `erase`, `geometry`: of pixels alone.
- `canny`, `annotators`, `detector`, `depth`: what is found in a picture, mostly by models.
"""

from __future__ import annotations

from ...common.errors import RowError
from ...common.named import Notation, dump_named
from . import canny, colour, degrade, depth, detector, erase, geometry
from .base import Operation, Picture, failing_one_row
from .registry import OPERATIONS, load_operations_file, register

__all__ = [
    "NOTATION",
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


#: How recipes write them.
NOTATION = Notation[Operation](OPERATIONS, "an", "operation", ("grayscale", "{canny: {low: 50}}"))
parse_operation = NOTATION.parse
dump_operation = dump_named
