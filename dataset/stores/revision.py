"""Which commit of a dataset on the Hub a run reads, from its first byte to its last."""

from __future__ import annotations

import re

from ...common.errors import DatasetError, HubError, HubRefusedError
from ...common.hub import hub_errors
from ...common.network import StoreError

_SCHEME = "hf://"
_PINNED = re.compile(r"@([0-9a-f]{40})(?=/|$)")
#: How a kind of repository begins in an address.
_PREFIXES = {"dataset": "datasets/", "model": "", "space": "spaces/"}


def pin(place: str) -> str:
    """The address of a dataset on the Hub with its commit: ``hf://datasets/USER/NAME@COMMIT``.

    A branch is followed once, so that what is pushed to it meanwhile does not mix with what was
    read. Any other place, and one that names a commit, is returned as it is.

    Raises:
        StoreError: when there is no such repository or revision, or it may not be read.
        DatasetError: when the Hub cannot be reached.
    """
    if not place.startswith(_SCHEME) or _PINNED.search(place):
        return place
    from huggingface_hub import HfApi, HfFileSystem
    from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath

    try:
        with hub_errors(place, "try again"):
            found = HfFileSystem().resolve_path(place)
            if not isinstance(found, HfFileSystemResolvedRepositoryPath):
                return place  # a bucket, which has no commits
            info = HfApi().repo_info(
                found.repo_id, repo_type=found.repo_type, revision=found.revision
            )
    except HubRefusedError as error:
        raise StoreError(str(error)) from error
    except HubError as error:
        raise DatasetError(str(error)) from error
    inside = f"/{found.path_in_repo}" if found.path_in_repo else ""
    return f"{_SCHEME}{_PREFIXES[found.repo_type]}{found.repo_id}@{info.sha}{inside}"


def commit_of(place: str) -> str | None:
    """The commit that an address names; None for places without commits."""
    found = _PINNED.search(place) if place.startswith(_SCHEME) else None
    return found[1] if found else None


def without_commit(place: str) -> str:
    """The address of the dataset, whatever its commit."""
    return _PINNED.sub("", place) if place.startswith(_SCHEME) else place


def dataset_on_hub(place: str) -> str | None:
    """The USER/NAME of a place that is a dataset of the Hub."""
    found = re.match(rf"{_SCHEME}datasets/([^/@]+/[^/@]+)", place)
    return found[1] if found else None
