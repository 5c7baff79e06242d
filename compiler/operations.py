"""Names that a user's Python file imports to register an operation of its own.

from onepic.compiler.operations import Operation, Picture, register
"""

from ..canvas.operations import Operation, Picture, RowError, failing_one_row, register

__all__ = ["Operation", "Picture", "RowError", "failing_one_row", "register"]
