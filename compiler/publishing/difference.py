"""Difference that a publication makes: a pure function of the files here and the files there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...common.errors import HubRefusedError
from ...dataset.names import DATASET, SHARD_NAME
from ..card import CARD, is_as_written
from .local import LocalFile
from .remote import RemoteState

#: What a repository has before anything is published to it.
_HARMLESS = re.compile(r"\.gitattributes|\.gitignore|README\.md|LICEN[CS]E(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Difference:
    """`new` and `changed` go up, `stale` goes, `same` stays; all by path.

    `dataset` is the dataset.json here. `keeps_card` says that the card on the Hub was edited there,
    and is left as it is.
    """

    new: Mapping[str, LocalFile]
    changed: Mapping[str, LocalFile]
    same: tuple[str, ...]
    stale: tuple[str, ...]
    dataset: LocalFile
    keeps_card: bool

    @property
    def sent(self) -> dict[str, LocalFile]:
        """The files that go up: shards first, dataset.json last."""
        both = {**self.new, **self.changed}
        return dict(sorted(both.items(), key=lambda item: _order(item[0])))

    @property
    def size(self) -> int:
        """Bytes that go up."""
        return sum(file.size for file in self.sent.values())

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.stale)


def compare(local: Mapping[str, LocalFile], remote: RemoteState) -> Difference:
    """Find the changes after which the repository holds the dataset and no shard besides.

    Files that the dataset does not know, such as a licence, are left alone. Of two cards an edited
    one wins over one that onepic wrote, and the one here over the one there.

    Raises:
        HubRefusedError: when the repository holds something else.
    """
    _check_same_task(local, remote)
    keeps_card = _keeps_card(local, remote)
    wanted = {path: file for path, file in local.items() if path != CARD or not keeps_card}
    same = tuple(
        path
        for path, file in wanted.items()
        if path in remote.files and remote.files[path].is_same(file)
    )
    rest = {path: file for path, file in wanted.items() if path not in same}
    return Difference(
        new={path: file for path, file in rest.items() if path not in remote.files},
        changed={path: file for path, file in rest.items() if path in remote.files},
        same=same,
        stale=tuple(sorted(p for p in remote.files if SHARD_NAME.fullmatch(p) and p not in local)),
        dataset=local[DATASET],
        keeps_card=keeps_card,
    )


def _order(path: str) -> tuple[int, str]:
    """Shards by number, then what describes the whole, then dataset.json."""
    return (0 if SHARD_NAME.fullmatch(path) else 2 if path == DATASET else 1, path)


def _keeps_card(local: Mapping[str, LocalFile], remote: RemoteState) -> bool:
    here, there = local[CARD], remote.files.get(CARD)
    if there is None or there.is_same(here):
        return False
    cards = here.read(), remote.read(CARD) or b""
    ours, theirs = (is_as_written(card.decode(errors="replace")) for card in cards)
    return ours and not theirs


def _check_same_task(local: Mapping[str, LocalFile], remote: RemoteState) -> None:
    """Refuse to publish into something that is not this dataset's own."""
    ours, theirs = local[DATASET].json()["task"], remote.read_json(DATASET)
    if theirs is not None:
        if theirs.get("task") != ours:
            raise HubRefusedError(
                f"{remote.repository} holds a dataset of the task {theirs.get('task')!r}, and this "
                f"one is of {ours!r}; give another USER/NAME, or another --revision"
            )
        return
    check_nothing_else(remote)


def check_nothing_else(remote: RemoteState) -> None:
    """Refuse a repository without a dataset that holds more than what all repositories have.

    Raises:
        HubRefusedError: naming what it holds.
    """
    strange = [path for path in remote.files if not _HARMLESS.fullmatch(path)]
    if strange:
        rest = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise HubRefusedError(
            f"{remote.repository} holds something else ({', '.join(strange[:3])}{rest}) and no "
            f"{DATASET}; give another USER/NAME, or another --revision"
        )
