"""A dataset arrives on the Hub whole, and only what is missing there is sent."""

from __future__ import annotations

import json
import shutil

import pytest

from onepic.compiler import open_dataset
from onepic.compiler.card import is_as_written
from onepic.compiler.errors import DatasetError, HubError, HubRefusedError
from onepic.compiler.publishing import Destination, publish_dataset
from onepic.compiler.publishing import publish as publish_module
from onepic.compiler.publishing import upload as upload_module

NAME = "someone/colours"
HERE = Destination(NAME)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Wait for nothing: the library's own waits are long enough."""
    monkeypatch.setattr(publish_module, "_WAITS", (0.0, 0.0))


def remote(hub, revision="main"):
    """The files of the dataset on the Hub, but for what it makes itself."""
    files = hub.dataset(NAME).files(revision)
    return {path: blob.data for path, blob in files.items() if path != ".gitattributes"}


def test_all_of_a_dataset_arrives_and_its_listing_is_compared(hub, finished_project):
    made = publish_dataset(finished_project.output, HERE)
    ours = finished_project.files()
    assert made.commit == hub.dataset(NAME).heads["main"]
    theirs = remote(hub)
    assert theirs.keys() == ours.keys()
    assert {path for path in ours if theirs[path] != ours[path]} == {"README.md"}
    assert b'load_dataset("someone/colours"' in theirs["README.md"]
    assert len(made.difference.sent) == len(ours)
