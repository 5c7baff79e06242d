"""Sending a dataset to a store while it is compiled, so that its shards need not fit on the disk.

The run works in a folder of this machine as always. A finished shard goes up in a thread, its index
last; when it is there for good its mark is written, see `sent`, and its tar and text are deleted
here. dataset.json says from the first file to the last that the dataset is not complete.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from functools import partial
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread

from ...common.errors import OutputError, RunError
from ...common.files import sha256, write_whole
from ...common.report import Report
from ...dataset.index import FileRecord, ShardHeader, read_header
from ...dataset.info import DatasetInfo, read_info
from ...dataset.names import (
    CANVASES,
    DATASET,
    NULL_PROMPT,
    REJECTED,
    SHARD_FILES,
    SHARD_NAME,
    SHARDS,
    shard_name,
    shard_path,
    shard_stem,
)
from ...dataset.sent import INDEX, arrived_parts, forget_sent, is_sent, mark_arrived, mark_sent
from ..card import CARD, is_as_written
from .recipient import Recipient, Stored

#: Finished shards that may wait here to be sent; then compiling waits, so that the disk is bounded.
_WAITING = 2
#: Small files that are fetched at once where the work folder was lost.
_FETCHES = 16


class _StoppedError(Exception):
    """The run has ended, and its folder may be another's by now."""


class _Ask(Enum):
    """What may stand behind shards in the queue: settle them, and go on or end."""

    SETTLE = auto()
    END = auto()


class Sending:
    """A `Delivery` of a dataset from its work folder to a store; see `open.open_delivery`."""

    def __init__(self, recipient: Recipient, folder: Path, report: Report) -> None:
        self._recipient, self._folder, self._report = recipient, folder, report
        self._queue: Queue[ShardHeader | _Ask] = Queue(_WAITING)
        self._stopped = Event()
        self._failure: Exception | None = None
        self.url, self.repository, self.sent = recipient.name, recipient.repository, 0

    @property
    def place(self) -> str:
        """The store and the work folder."""
        return f"{self.url} with its work folder {self._folder}"

    def restore(self) -> None:
        """Bring the work folder up to what the store holds, by one listing of it.

        Where the work folder was lost, all but the shards' tars and texts is fetched. Marks of
        shards that the store does not hold any more are taken away.

        Raises:
            OutputError: when the store holds another dataset.
        """
        there, theirs = self._recipient.listing(SHARDS), self._recipient.read(DATASET)
        ours = read_info(self._folder)
        if theirs is not None and _fingerprint(theirs) is None:
            raise OutputError(f"{self.url}: its {DATASET} is not onepic's; give another --output")
        if ours is None and theirs is not None:
            self._fetch(there, theirs)
        elif ours is None and any(map(SHARD_NAME.fullmatch, there)):
            raise OutputError(f"{self.url}: holds shards but no {DATASET}; give another --output")
        elif ours is not None and theirs is not None and _fingerprint(theirs) != ours.fingerprint:
            raise OutputError(
                f"{self.url} holds another dataset than its work folder {self._folder}; give "
                "another --output, or delete the one that is not wanted"
            )
        for header in self._headers():
            arrived = arrived_parts(self._folder, header)
            if not self._holds(there, header, arrived):
                forget_sent(self._folder, header.number)
            elif is_sent(self._folder, header):
                self._delete_here(header)

    def begin(self, info: DatasetInfo, outdated: Collection[int], shards: int) -> None:
        """Before any of the `outdated` among all `shards` is made: send what an earlier run left.

        First the store gets to know that the dataset is not complete, which tells a wrong place or
        login, too. Nothing is sent where there is nothing to do.
        """
        paths = (
            shard_path(self._folder, number, ".parquet")
            for number in range(shards)
            if number not in outdated
        )
        headers = [header for header in map(read_header, paths) if header is not None]
        left_over = [header for header in headers if not is_sent(self._folder, header)]
        if outdated or left_over:
            self._say_incomplete(info)
        # A daemon: Ctrl-C does not wait for a large file.
        Thread(target=self._work, name="delivery", daemon=True).start()
        for header in left_over:
            self.submit(header)
        if left_over:  # they may be what fills the disk
            self._put(_Ask.SETTLE)

    def submit(self, header: ShardHeader) -> None:
        """Send a finished shard, in the background; waits while others wait.

        Raises:
            OutputError, RunError, HubError: what an earlier one met.
        """
        self._put(header)

    def join(self) -> None:
        """Wait until all that was submitted is there for good; no more may be submitted."""
        if waiting := self._queue.unfinished_tasks:
            self._report.note(f"waiting for {waiting} shards to arrive at {self.url}")
        self._put(_Ask.END)
        while self._queue.unfinished_tasks:
            self._check()
            self._stopped.wait(0.05)

    def finish(self, info: DatasetInfo) -> None:
        """Compare the store with the work folder, and send what describes the whole.

        Raises:
            RunError, HubError: when something in the store is not what was sent.
        """
        there = self._recipient.listing(SHARDS)
        headers = list(self._headers())
        changed = [header.number for header in headers if not self._holds(there, header)]
        if changed:
            raise RunError(
                f"{self.url}: {len(changed)} shards are not there as they were sent, such as "
                f"{shard_stem(changed[0])}; run again to make them anew"
            )
        expected = {name for header in headers for name, _ in self._files(header).values()}
        stale = [name for name in there if SHARD_NAME.fullmatch(name) and name not in expected]
        if stale:
            self._say_incomplete(info)
        for name in stale:
            self._recipient.remove(name)
        for name in (NULL_PROMPT, REJECTED, CANVASES, CARD, DATASET):
            path = self._folder / name
            if path.is_file() and not (name == CARD and self._keeps_card()):
                self._recipient.write(name, path.read_bytes())
        self._recipient.settle()

    def read_tar(self, number: int, start: int, size: int) -> bytes:
        """A part of a shard's tar that is not here any more."""
        name = shard_name(number, ".tar")
        data = self._recipient.read(name, start, start + size)
        if data is None:
            raise RunError(f"{self.url}/{name} vanished; run again to make it anew")
        return data

    def stop(self) -> None:
        """Send no more; what is on its way is not waited for, and is sent again by the next run."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._work_once():
                    return
            except Exception as error:  # raised where the run next looks
                self._failure = error
                return

    def _work_once(self) -> bool:
        """Send the next shard, and settle what is due; whether that was all."""
        try:
            item = self._queue.get(timeout=0.2)
        except Empty:
            self._settle_if(self._recipient.is_due())
            return False
        if isinstance(item, ShardHeader):
            self._send(item)
        self._settle_if(isinstance(item, _Ask) or self._recipient.is_due())
        self._queue.task_done()
        return item is _Ask.END

    def _settle_if(self, it_is_time: bool) -> None:
        if it_is_time and not self._stopped.is_set():
            self._recipient.settle()

    def _send(self, header: ShardHeader) -> None:
        arrived = arrived_parts(self._folder, header)
        parts = {name: part for part, (name, _) in self._files(header).items()}
        names = [name for name, part in parts.items() if part not in arrived]
        self._recipient.send(
            {name: self._folder / name for name in names}, partial(self._mark, header, parts)
        )

    def _mark(self, header: ShardHeader, parts: Mapping[str, str], names: Collection[str]) -> None:
        """Files of a shard are there for good; when all are, they are deleted here."""
        if self._stopped.is_set():
            raise _StoppedError
        mark_arrived(self._folder, header, [parts[name] for name in names])
        if is_sent(self._folder, header):
            self._delete_here(header)
            self.sent += 1

    def _put(self, item: ShardHeader | _Ask) -> None:
        while True:
            self._check()
            try:
                return self._queue.put(item, timeout=0.2)
            except Full:
                continue

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _delete_here(self, header: ShardHeader) -> None:
        for suffix in SHARD_FILES.values():
            shard_path(self._folder, header.number, suffix).unlink(missing_ok=True)

    def _headers(self) -> Iterator[ShardHeader]:
        found = map(read_header, sorted((self._folder / SHARDS).glob("*.parquet")))
        return (header for header in found if header is not None)

    def _files(self, header: ShardHeader) -> dict[str, tuple[str, FileRecord | None]]:
        """The path of each part of a shard, its index last, and what the index says of it."""
        suffixes = {**{kind: SHARD_FILES[kind] for kind in header.files}, INDEX: ".parquet"}
        return {
            part: (shard_name(header.number, suffix), header.files.get(part))
            for part, suffix in suffixes.items()
        }

    def _holds(
        self,
        there: Mapping[str, Stored],
        header: ShardHeader,
        parts: Collection[str] | None = None,
    ) -> bool:
        """Whether some parts of a shard, or all, are in the store as they were made."""
        files = self._files(header)
        wanted = files if parts is None else parts
        return all(self._is_same(there, *files[part]) for part in wanted)

    def _is_same(self, there: Mapping[str, Stored], name: str, record: FileRecord | None) -> bool:
        """Whether the store has a file with its size and, where it tells that, its SHA-256.

        An index has no record: it is compared with the one here.
        """
        found, path = there.get(name), self._folder / name
        if found is None or found.size != (record.size if record else path.stat().st_size):
            return False
        if found.sha256 is None:
            return True
        return found.sha256 == (record.sha256 if record else sha256(path))

    def _say_incomplete(self, info: DatasetInfo) -> None:
        self._recipient.write(DATASET, info.model_copy(update={"complete": False}).to_json())

    def _fetch(self, there: Mapping[str, Stored], info: bytes) -> None:
        """Fetch what describes the dataset, and mark the shards that are there; info comes last."""
        self._report.note(f"{self.url} holds a dataset; fetching its indexes to {self._folder}")
        (self._folder / SHARDS).mkdir(exist_ok=True)
        indexes = [name for name in there if SHARD_NAME.fullmatch(name) and "parquet" in name]
        with ThreadPoolExecutor(_FETCHES) as pool:
            for _ in pool.map(self._fetch_one, (*indexes, NULL_PROMPT, REJECTED, CANVASES, CARD)):
                pass
        for header in self._headers():
            if self._holds(there, header):
                mark_sent(self._folder, header)
        write_whole(self._folder / DATASET, info)

    def _fetch_one(self, name: str) -> None:
        if (data := self._recipient.read(name)) is not None:
            write_whole(self._folder / name, data)

    def _keeps_card(self) -> bool:
        """Whether the card in the store was edited there."""
        theirs = self._recipient.read(CARD)
        return theirs is not None and not is_as_written(theirs.decode(errors="replace"))


def _fingerprint(info: bytes) -> str | None:
    try:
        found = json.loads(info)
    except ValueError:
        return None
    return found.get("fingerprint") if isinstance(found, dict) else None
