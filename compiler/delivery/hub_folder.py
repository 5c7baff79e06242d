"""A dataset's repository on the Hub while it is compiled: sent shard by shard, settled by commits.

The bytes of a shard go up when it is finished. The Hub keeps them by their content, and a file
comes into being with the commit that names it: so one commit is made for many shards, and what a
killed run had sent is committed by the next one without being sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ...common.errors import HubError, OutputError
from ...common.hub import hub_errors, insist, make_branch, make_repository
from ...common.secrets import without_secrets
from ...dataset.names import DATASET, SHARD_FILES
from ..publishing.difference import check_nothing_else
from ..publishing.local import LocalFile
from ..publishing.remote import RemoteState, remote_files, remote_state
from ..publishing.upload import COMMIT, Sent, addition_of, commit, deletions_of, preupload
from .recipient import Settled, Stored

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

#: Seconds from one commit to the next, unless another shard would bring it above `COMMIT` files.
#: The Hub takes 128 commits an hour to a repository: these are 60, or more than 10,000 shards.
INTERVAL = 60.0
#: Seconds before what the network broke is tried again, besides the library's tries.
_WAITS = (1.0, 5.0, 20.0)
_ADDRESS = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@(refs/pr/\d+|[^/@]+))?/?")
_COMMIT_NAME = re.compile(r"[0-9a-f]{40}")


def parse_address(url: str) -> tuple[str, str | None]:
    """The USER/NAME and the branch or ``refs/pr/N`` that an address names; None for main.

    Raises:
        OutputError: when it is not the address of a dataset, or names a commit.
    """
    found = _ADDRESS.fullmatch(url)
    revision = unquote(found[2]) if found and found[2] else None
    if found is None or (revision and _COMMIT_NAME.fullmatch(revision)):
        raise OutputError(
            f"{without_secrets(url)}: nothing can be compiled there; give "
            "hf://datasets/USER/NAME, with @BRANCH or @refs/pr/N behind it for another than main"
        )
    return found[1], revision


class HubFolder:
    """A `Recipient` that is a dataset on the Hub, at the newest commit of a branch.

    The repository and the branch are made where they are missing. Nothing of others is
    overwritten: every commit names the one that it comes after.
    """

    def __init__(self, url: str) -> None:
        """Look at what is there.

        Raises:
            OutputError: when `url` is no place that can be written to.
            HubRefusedError: without the permission, or where something else is there.
            HubError: when the Hub cannot be reached or fails.
        """
        self.name = without_secrets(url.rstrip("/"))
        self.repository, self._revision = parse_address(url)
        make_repository(self.repository, "dataset")
        make_branch(self.repository, self._revision)
        self._state = self._look(self._revision)
        if DATASET not in self._state.files:
            check_nothing_else(self._state)
        # What the next commit does, and who waits for it.
        self._additions: dict[str, CommitOperationAdd] = {}
        self._removed: set[str] = set()
        self._waiting: list[tuple[Settled, list[str]]] = []
        self._committed = monotonic()

    def listing(self, folder: str) -> dict[str, Stored]:
        """The files below a folder at the last commit, asked for anew."""
        self._state = self._look(self._state.commit)
        return {
            name: Stored(file.size, file.sha256)
            for name, file in self._state.files.items()
            if name.startswith(f"{folder}/")
        }

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes | None:
        """The bytes of a file of the last commit, or a part; None where there is no such file."""
        return insist(self.repository, lambda: self._state.read(name, start, end), _WAITS)

    def send(self, files: Mapping[str, Path], settled: Settled) -> None:
        """Send what is not there; the next commit settles it."""
        with hub_errors(self.repository):
            found = {name: addition_of(name, path) for name, path in files.items()}
        missing = {name: file for name, file in found.items() if not _holds(self._state, file)}
        for file in missing.values():
            # One by one: the library sends several in threads that Ctrl-C would have to wait for.
            upload = partial(preupload, self.repository, [file], self._revision)
            insist(self.repository, upload, _WAITS)
        self._additions |= missing
        if missing:
            self._waiting.append((settled, list(files)))
        else:
            settled(list(files))

    def write(self, name: str, data: bytes) -> None:
        """Let a small file hold these bytes from the next commit on."""
        addition = addition_of(name, data)
        self._additions.pop(name, None)
        if not _holds(self._state, addition):
            self._additions[name] = addition

    def remove(self, name: str) -> None:
        """Let a file be no more from the next commit on."""
        self._removed.add(name)

    def is_due(self) -> bool:
        """Whether the last commit is long ago, or another shard would make the next too large."""
        is_full = len(self._additions) + len(SHARD_FILES) + 1 > COMMIT
        return bool(self._additions) and (is_full or monotonic() - self._committed >= INTERVAL)

    def settle(self) -> None:
        """Commit what was sent, written and removed, and compare it with the Hub's listing."""
        if self._additions or self._removed:
            insist(self.repository, self._commit, _WAITS)
            insist(self.repository, self._check, _WAITS)
            self._additions.clear()
            self._removed.clear()
            self._committed = monotonic()
        waiting, self._waiting = self._waiting, []
        for settled, names in waiting:
            settled(names)

    def _look(self, revision: str | None) -> RemoteState:
        return insist(self.repository, lambda: remote_state(self.repository, revision), _WAITS)

    def _commit(self) -> None:
        before = Sent(self._head, self._revision)
        deletions = deletions_of(sorted(self._removed))
        try:
            made = commit(self.repository, [*self._additions.values(), *deletions], before)
        except Exception:
            # The answer may have been lost, and the commit be there.
            state = remote_state(self.repository, self._revision)
            if self._unlike(state):
                raise
            self._state = state
        else:
            self._state = replace(self._state, commit=made.commit)

    def _check(self) -> None:
        """Take over the files of the commit.

        Raises:
            HubError: when they are not what was sent.
        """
        names = {*self._additions, *self._removed}
        files = {name: file for name, file in self._state.files.items() if name not in names}
        files |= remote_files(self.repository, self._head, sorted(names))
        self._state = replace(self._state, files=files)
        if wrong := self._unlike(self._state):
            raise HubError(
                f"{self.repository}: commit {self._head} is not what was sent: "
                f"{', '.join(wrong[:5])} ({len(wrong)} in all); run again to send it anew"
            )

    def _unlike(self, state: RemoteState) -> list[str]:
        """The names of the files that a state does not have as the next commit makes them."""
        added = [name for name, file in self._additions.items() if not _holds(state, file)]
        return added + sorted(self._removed & state.files.keys())

    @property
    def _head(self) -> str:
        """The name of the last commit."""
        return str(self._state.commit)


def _holds(state: RemoteState, addition: CommitOperationAdd) -> bool:
    """Whether a commit has the very file that is to be added."""
    source, info = addition.path_or_fileobj, addition.upload_info
    found = state.files.get(addition.path_in_repo)
    if found is None or found.size != info.size:
        return False
    content = source if isinstance(source, bytes) else Path(str(source))
    return found.is_same(LocalFile(content, info.size, info.sha256.hex()))
