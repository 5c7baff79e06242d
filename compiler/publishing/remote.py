"""A repository on the Hub, and the files that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .local import LocalFile

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile, RepoFolder


@dataclass(frozen=True)
class RemoteFile:
    """A file of a commit; `sha256` is known of large files only, `git_name` tells the others."""

    size: int
    git_name: str
    sha256: str | None

    def is_same(self, file: LocalFile) -> bool:
        """Whether a local file has the very bytes of this one."""
        if self.size != file.size:
            return False
        if self.sha256 is not None:
            return self.sha256 == file.sha256
        return self.git_name == file.git_name()


@dataclass(frozen=True)
class RemoteState:
    """The newest commit of a revision, None where there is no repository yet, and its files."""

    repository: str
    commit: str | None
    files: Mapping[str, RemoteFile]

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes | None:
        """A small file of the commit, or a part; None where it has none of that name."""
        from huggingface_hub import HfFileSystem

        if path not in self.files:
            return None
        place = f"datasets/{self.repository}@{self.commit}/{path}"
        # One stream for a file, and for a part these bytes alone: else whole blocks are fetched.
        how: dict[str, Any] = {"block_size": 0} if start is None else {"cache_type": "none"}
        data: bytes = HfFileSystem().cat_file(place, start, end, **how)
        return data

    def read_json(self, path: str) -> dict[str, Any] | None:
        """A small JSON object of the commit; None where there is none."""
        try:
            found = json.loads(self.read(path) or b"")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


def remote_state(repository: str, revision: str | None) -> RemoteState:
    """List the newest commit of a dataset's revision, by default of its main branch.

    What the Hub's library raises is left to the caller.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    commit = api.repo_info(repository, repo_type="dataset", revision=revision).sha
    entries = api.list_repo_tree(
        repository, repo_type="dataset", revision=commit, recursive=True, expand=False
    )
    return RemoteState(repository, commit, _files(entries))


def remote_files(repository: str, commit: str, paths: Sequence[str]) -> dict[str, RemoteFile]:
    """Some files of a dataset's commit by path, without those that it has not.

    What the Hub's library raises is left to the caller.
    """
    from huggingface_hub import HfApi

    return _files(
        HfApi().get_paths_info(repository, list(paths), repo_type="dataset", revision=commit)
    )


def _files(entries: Iterable[RepoFile | RepoFolder]) -> dict[str, RemoteFile]:
    from huggingface_hub.hf_api import RepoFile

    return {
        entry.path: RemoteFile(entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
        for entry in entries
        if isinstance(entry, RepoFile)
    }


def nothing_there(repository: str) -> RemoteState:
    """The state of a repository that is not made yet."""
    return RemoteState(repository, None, {})
