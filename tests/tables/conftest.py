"""The builders of rows, for tables."""

from tests.rows import make_tar, png, remote, rows_of, stamps_of

__all__ = ["make_tar", "png", "remote", "rows_of", "stamps_of"]
