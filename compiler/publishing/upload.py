"""Sending files, so that an interruption costs no finished file and leaves no mixture behind.

Large files are uploaded a few at a time and then referred to by a commit. The Hub keeps what was
uploaded by its content, and the next run compares what is there before it sends anything: so a run
that was killed goes on with the files that are missing. `HfApi.upload_folder` was not enough: it
takes whole folders, hashes the shards that `verify` has just hashed, and cuts a large publication
into commits between which readers would meet new shards under an old dataset.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...common.files import to_json
from ...common.report import Report
from ...dataset.names import DATASET
from .difference import Difference
from .remote import RemoteState

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

#: Files in a commit: the Hub takes long over larger ones.
COMMIT = 240
#: Files on their way at once; when they have arrived the report moves.
TOGETHER = 12
Item = TypeVar("Item")

_MESSAGE = "Upload a dataset compiled with onepic"


@dataclass(frozen=True)
class Sent:
    """Where a publication ended: its last commit, and the pull request that holds it, if any."""

    commit: str
    revision: str | None
    pull_request: str | None = None


def send(
    state: RemoteState,
    difference: Difference,
    revision: str | None,
    proposes: bool,
    report: Report,
) -> Sent:
    """Make a revision hold the dataset: upload, delete, commit.

    Where one commit is not enough the first one also says, in dataset.json, that the dataset is not
    complete, and the last one takes that back: nobody reads what is between two versions.

    Args:
        state: what the revision held when `difference` was found; a change since is an error.
        difference: what to do.
        revision: a branch or ``refs/pr/N``; None for the main branch.
        proposes: commit to a new pull request.
        report: is told the MB that have arrived.

    What the Hub's library raises is left to the caller.
    """
    if state.commit is None:
        raise ValueError("nothing can be sent to a repository that was not made")
    sent = Sent(state.commit, revision)
    progress = _Progress(report, difference.size)
    for number, group in enumerate(groups := _commits(difference)):
        additions = [addition_of(path, source) for path, source in group.items()]
        deletions = deletions_of(difference.stale) if number == len(groups) - 1 else []
        opens = proposes and number == 0
        for some in _some_at_once(additions, TOGETHER):
            preupload(state.repository, some, sent.revision, opens)
            progress.advance(sum(addition.upload_info.size for addition in some))
        sent = commit(state.repository, [*additions, *deletions], sent, opens)
    return sent


def _commits(difference: Difference) -> list[dict[str, Path | bytes]]:
    """The files of each commit, by path; at least one commit, which may have none."""
    sources = {path: file.source for path, file in difference.sent.items()}
    if len(sources) <= COMMIT:
        return [sources]
    sources.setdefault(DATASET, difference.dataset.source)
    groups = [dict(group) for group in _some_at_once(list(sources.items()), COMMIT)]
    groups[0][DATASET] = to_json({**difference.dataset.json(), "complete": False})
    return groups


def preupload(
    repository: str,
    additions: Sequence[CommitOperationAdd],
    revision: str | None,
    proposes: bool = False,
) -> None:
    """Send the bytes of large files that the Hub has not got, for a commit to come."""
    from huggingface_hub import HfApi

    HfApi().preupload_lfs_files(
        repository,
        additions,
        repo_type="dataset",
        revision=revision,
        create_pr=proposes,
        free_memory=False,
    )


def commit(
    repository: str,
    operations: Sequence[CommitOperationAdd | CommitOperationDelete],
    sent: Sent,
    proposes: bool = False,
) -> Sent:
    """Make a commit after `sent.commit`; an error where another came in between."""
    from huggingface_hub import HfApi

    made = HfApi().create_commit(
        repository,
        operations,
        commit_message=_MESSAGE,
        repo_type="dataset",
        revision=sent.revision,
        create_pr=proposes,
        parent_commit=sent.commit,
    )
    if proposes:
        return Sent(made.oid, made.pr_revision, made.pr_url)
    return Sent(made.oid, sent.revision, sent.pull_request)


def addition_of(path: str, source: Path | bytes) -> CommitOperationAdd:
    """Make the part of a commit that writes a file."""
    from huggingface_hub import CommitOperationAdd

    return CommitOperationAdd(path, source)


def deletions_of(paths: Sequence[str]) -> list[CommitOperationDelete]:
    """Make the parts of a commit that delete files."""
    from huggingface_hub import CommitOperationDelete

    return [CommitOperationDelete(path, is_folder=False) for path in paths]


def _some_at_once(items: Sequence[Item], count: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + count] for start in range(0, len(items), count))


class _Progress:
    """Tells a report of bytes in whole MB."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._bytes = report, 0
        report.begin(max(1, round(total / 1e6)), 0, "uploading", "MB")

    def advance(self, size: int) -> None:
        """Count bytes that have arrived."""
        before, self._bytes = self._bytes, self._bytes + size
        self._report.advance(round(self._bytes / 1e6) - round(before / 1e6))
