"""Datasets that are small and random."""

from tests.datasets import (
    make_older,
    many_shards,
    new_files,
    new_threads,
    two_shapes,
    write_dataset_fixture,
)

__all__ = [
    "make_older",
    "many_shards",
    "new_files",
    "new_threads",
    "two_shapes",
    "write_dataset_fixture",
]
