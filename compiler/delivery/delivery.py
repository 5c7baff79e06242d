"""The way of a dataset to where it is to be, which may be where it is compiled."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from ...common.errors import DatasetError
from ...dataset.index import ShardHeader
from ...dataset.info import DatasetInfo
from ...dataset.names import shard_path


class Delivery(Protocol):
    """Brings a dataset from the folder in which it is compiled to its place.

    `open.open_delivery` gives the one that suits the place. It is told, in this order: `begin`,
    `submit` for each shard that is made, `join` and `finish`. Each of these may raise what an
    earlier one met: an OutputError, RunError or HubError.
    """

    @property
    def url(self) -> str | None:
        """The address that readers give, without secrets; None for a folder of this machine."""
        ...

    @property
    def repository(self) -> str | None:
        """USER/NAME on the Hub, which the card's examples then name."""
        ...

    @property
    def place(self) -> str:
        """All places that hold the dataset, as errors name them."""
        ...

    @property
    def sent(self) -> int:
        """How many shards this run has sent."""
        ...

    def begin(self, info: DatasetInfo, outdated: Collection[int], shards: int) -> None:
        """Take over the shards that an earlier run finished; `outdated` will be made again."""
        ...

    def submit(self, header: ShardHeader) -> None:
        """Take over a finished shard."""
        ...

    def join(self) -> None:
        """Wait until every shard is in its place; no more may be submitted."""
        ...

    def finish(self, info: DatasetInfo) -> None:
        """Check that all shards are in their place, and bring what describes the whole there."""
        ...

    def read_tar(self, number: int, start: int, size: int) -> bytes:
        """A part of a shard's tar that is not in the folder any more.

        Raises:
            DatasetError, RunError, HubError: when it is nowhere.
        """
        ...


class Staying:
    """A `Delivery` of a dataset whose place is the folder in which it is compiled."""

    url: str | None = None
    repository: str | None = None
    sent = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def begin(self, info: DatasetInfo, outdated: Collection[int], shards: int) -> None:
        """Finished shards are in their place."""

    def submit(self, header: ShardHeader) -> None:
        """It is in its place."""

    def join(self) -> None:
        """Nothing is on its way."""

    def finish(self, info: DatasetInfo) -> None:
        """All is in its place."""

    def read_tar(self, number: int, start: int, size: int) -> bytes:  # noqa: ARG002
        """Raise a DatasetError: what is not in the folder is nowhere."""
        path = shard_path(self._folder, number, ".tar")
        raise DatasetError(f"{path}: vanished during the run; run again to make it")
