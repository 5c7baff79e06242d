"""Where two trees of plain data differ, such as two recipes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """A value that differs; `path` is the keys that lead to it, with dots between them."""

    path: str
    old: Any
    new: Any


def changes(old: Any, new: Any, absent: Any, path: str = "") -> Iterator[Change]:
    """Each place in which two trees of mappings differ, in their keys' order.

    `absent` stands for the value of a key that one of the two does not have.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            inner = f"{path}.{key}" if path else str(key)
            yield from changes(old.get(key, absent), new.get(key, absent), absent, inner)
    elif old != new:
        yield Change(path, old, new)
