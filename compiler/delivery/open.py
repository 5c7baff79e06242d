"""Where a dataset is compiled, and how it gets from there to the place that the user gave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...common.network import cache_folder, folder_name, protocol_of
from ...common.report import Report
from .delivery import Delivery, Staying
from .hub_folder import HubFolder
from .recipient import Recipient
from .remote_folder import RemoteFolder
from .sending import Sending


def work_folder(url: str) -> Path:
    """The folder of this machine in which a dataset for `url` is compiled."""
    return cache_folder() / "compiling" / folder_name(url)


@contextmanager
def open_delivery(url: str | None, folder: Path, report: Report) -> Iterator[Delivery]:
    """Bring what is submitted to `url`, until the block ends; None leaves it in `folder`.

    `folder` must be locked. What the store holds already is taken over: see `Sending.restore`.

    Raises:
        StoreError, OutputError, HubRefusedError: when the place cannot be used, or holds something
            else.
        RunError, HubError: when the store fails again and again; what has arrived is kept.
    """
    if url is None:
        yield Staying(folder)
        return
    sending = Sending(_open_recipient(url), folder, report)
    try:
        sending.restore()
        yield sending
    finally:
        sending.stop()


def _open_recipient(url: str) -> Recipient:
    """The store that suits a URL's protocol."""
    return HubFolder(url) if protocol_of(url) == "hf" else RemoteFolder(url)
