"""The place that a dataset is sent to while it is compiled, as `sending` needs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Told the names of files that were sent and are there for good.
Settled = Callable[[Collection[str]], None]


@dataclass(frozen=True)
class Stored:
    """A file in a store: its bytes, and its SHA-256 in hex where the store tells it."""

    size: int
    sha256: str | None = None


class Recipient(Protocol):
    """Files behind a URL, by their paths in the dataset.

    What is sent may be there for good at once, or be settled later, together with other files. Of
    what was not settled nothing is lost but the time to send it. Methods raise an OnepicError: one
    with exit code 2 for what will not pass, such as a missing permission, and one with exit code 1
    when the store failed again and again.
    """

    @property
    def name(self) -> str:
        """The address that readers give, without secrets."""
        ...

    @property
    def repository(self) -> str | None:
        """USER/NAME on the Hub, which the card's examples then name."""
        ...

    def listing(self, folder: str) -> Mapping[str, Stored]:
        """The settled files below a folder, by path; nothing where there is no such folder."""
        ...

    def read(self, name: str, start: int | None = None, end: int | None = None) -> bytes | None:
        """The bytes of a settled file, or a part of them; None where there is no such file."""
        ...

    def send(self, files: Mapping[str, Path], settled: Settled) -> None:
        """Send files by their names there, unless they are there already.

        They have to stay on the disk until `settled` was called with their names.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Let a small file hold these bytes, once it is settled."""
        ...

    def remove(self, name: str) -> None:
        """Let a file be no more, once that is settled."""
        ...

    def is_due(self) -> bool:
        """Whether so much waits, or for so long, that `settle` has to be called."""
        ...

    def settle(self) -> None:
        """Settle everything that was sent, written and removed, and check that it arrived."""
        ...
