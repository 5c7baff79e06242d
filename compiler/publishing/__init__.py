"""Puts compiled datasets on the Hub, and takes what fails on the way to be told in one line.

- `local`, `remote`: the files of a dataset here, and those of a repository there.
- `difference`: what has to go up, and what has to go.
- `upload`: sending it, in commits that leave no mixture behind.
- `publish`, `summary`, `cli`: a publication as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .publish import Destination, Publication, publish_dataset

__all__ = ["Destination", "Publication", "publish_dataset"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing a part stays quick."""
    if name in __all__:
        from . import publish

        return getattr(publish, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
