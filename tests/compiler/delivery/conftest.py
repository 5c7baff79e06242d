"""Datasets of random latents, as those of publications."""

from tests.compiler.publishing.conftest import canvases, files, write_canvases_fixture

__all__ = ["canvases", "files", "write_canvases_fixture"]
