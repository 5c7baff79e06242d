"""A publication as a whole: check, compare, send what is missing, and look whether it arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...common.errors import HubError
from ...common.hub import check_name, hub_errors, insist, make_branch, make_repository, status_of
from ...common.lock import locked
from ...common.report import Report, Silent
from ...dataset.dataset import Dataset, open_dataset
from ...dataset.names import STATE
from .difference import Difference, compare
from .local import LocalFile, check_public, check_sound, left_out, local_files
from .remote import RemoteState, nothing_there, remote_state
from .upload import Sent, send

#: Seconds before what the network broke is compared and tried again, besides the library's tries.
_WAITS = (1.0, 5.0, 20.0)


@dataclass(frozen=True)
class Destination:
    """Where a dataset goes.

    `revision` is a branch, made where it is missing, or the ``refs/pr/N`` of a pull request; None
    for the main branch. With `pull_request` a new one is opened. `private` makes the repository
    private, and refuses one that is public.
    """

    repository: str
    revision: str | None = None
    private: bool = False
    pull_request: bool = False

    @property
    def address(self) -> str:
        """How readers name it: ``hf://datasets/USER/NAME@REVISION``."""
        mark = f"@{self.revision}" if self.revision else ""
        return f"hf://datasets/{self.repository}{mark}"


@dataclass(frozen=True)
class Publication:
    """The outcome of a publication, or of a dry run; `commit` is None where nothing was sent.

    `pull_request` is the address of the one that was opened, `left_out` are the paths of files in
    the folder that are not the dataset's.
    """

    destination: Destination
    difference: Difference
    commit: str | None
    pull_request: str | None
    left_out: tuple[str, ...]


def publish_dataset(
    folder: str | Path,
    destination: Destination,
    *,
    dry_run: bool = False,
    report: Report | None = None,
) -> Publication:
    """Put a compiled dataset on the Hub, or what is missing of it there.

    Raises:
        DatasetError: when there is no finished, sound dataset in `folder`, or it was made when
            addresses were kept whole.
        OutputError: when the folder is being compiled or published by another process.
        HubRefusedError: when the login, the permissions or the repository do not allow it.
        HubError: when the Hub fails; the same call goes on from there.
    """
    report = report or Silent()
    check_name(destination.repository)
    dataset = open_dataset(folder)
    with locked(dataset.path, STATE):
        report.note(f"checking {dataset.info.totals.samples} samples in {dataset.path}")
        check_sound(dataset)
        check_public(dataset)
        local = local_files(dataset, destination.repository)
        if dry_run:
            return _try_out(dataset, destination, local)
        make_repository(destination.repository, "dataset", destination.private)
        make_branch(destination.repository, destination.revision)
        return _publish(dataset, destination, local, report)


def _try_out(
    dataset: Dataset, destination: Destination, local: Mapping[str, LocalFile]
) -> Publication:
    """The publication that there would be."""
    with hub_errors(destination.repository):
        try:
            state = remote_state(destination.repository, destination.revision)
        except Exception as error:
            if status_of(error) not in (401, 404):
                raise
            state = nothing_there(destination.repository)
        difference = compare(local, state)
    return _describe(dataset, destination, local, difference, None)


def _publish(
    dataset: Dataset, destination: Destination, local: Mapping[str, LocalFile], report: Report
) -> Publication:
    """Compare and send, and again where the network broke in between."""
    return insist(
        destination.repository,
        lambda: _send(dataset, destination, local, report),
        # Opening a pull request again would leave two of them.
        () if destination.pull_request else _WAITS,
        lambda error, wait: report.note(f"{error}; trying again in {wait:g} s"),
    )


def _send(
    dataset: Dataset, destination: Destination, local: Mapping[str, LocalFile], report: Report
) -> Publication:
    state = remote_state(destination.repository, destination.revision)
    difference = compare(local, state)
    if not difference:
        return _describe(dataset, destination, local, difference, None)
    report.note(
        f"{len(difference.sent)} files to send, {difference.size / 1e6:.1f} MB; "
        f"{len(difference.same)} are there already"
    )
    try:
        sent = send(state, difference, destination.revision, destination.pull_request, report)
    finally:
        report.end()
    _check_arrived(local, difference, remote_state(destination.repository, sent.commit))
    return _describe(dataset, destination, local, difference, sent)


def _check_arrived(
    local: Mapping[str, LocalFile], difference: Difference, state: RemoteState
) -> None:
    """Compare the commit's listing with the files here: paths, sizes and checksums.

    Raises:
        HubError: naming what is not as it should be.
    """
    expected = {path: local[path] for path in (*difference.sent, *difference.same)}
    wrong = [
        path
        for path, file in expected.items()
        if path not in state.files or not state.files[path].is_same(file)
    ]
    wrong += [path for path in difference.stale if path in state.files]
    if wrong:
        raise HubError(
            f"{state.repository}: commit {state.commit} is not what was sent: "
            f"{', '.join(wrong[:5])} ({len(wrong)} in all); run again to send it anew"
        )


def _describe(
    dataset: Dataset,
    destination: Destination,
    local: Mapping[str, LocalFile],
    difference: Difference,
    sent: Sent | None,
) -> Publication:
    return Publication(
        destination,
        difference,
        sent.commit if sent else None,
        sent.pull_request if sent else None,
        tuple(left_out(dataset, dict(local))),
    )
