"""Turns raw task data into WebDataset shards of canvas latents and masks.

In the order in which data meet the modules:

- `recipe_file`, `recipe`: a YAML file becomes a checked recipe, a task of `canvas` with a source.
- `sources`, `scenes`: rows are listed, and read or drawn when a shard needs them.
- `selection`: which of the rows are wanted.
- `fingerprint`, `plan`: what shapes the bytes, and which shards are missing or stale.
- `engines`: who runs the shard jobs, and where; panels become latents there, prompts embeddings.
- `shard`, `preview`: rows become a shard, and small pictures of their canvases.
- `delivery`: shards are sent to a store while others are made.
- `compile`, `info`, `finish`, `card`, `outcome`: the run, and what describes the dataset.
- `cli`: the command ``onepic-compile``.
- `inspection`: looking at what was made.
- `publishing`: putting it on the Hub.

`operations` is what users' Python files import to add operations of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..common.errors import OnepicError
    from ..dataset.dataset import Dataset, DatasetSample, open_dataset
    from ..dataset.stores.cache import CacheSettings
    from .compile import compile_dataset
    from .engines.engine import Scheduling
    from .outcome import Summary
    from .recipe import Recipe
    from .recipe_file import read_recipe

_HOMES = {
    "CacheSettings": ".dataset.stores.cache",
    "Dataset": ".dataset.dataset",
    "DatasetSample": ".dataset.dataset",
    "OnepicError": ".common.errors",
    "Recipe": "recipe",
    "Scheduling": "engines.engine",
    "Summary": "outcome",
    "compile_dataset": "compile",
    "open_dataset": ".dataset.dataset",
    "read_recipe": "recipe_file",
}

__all__ = [
    "CacheSettings",
    "Dataset",
    "DatasetSample",
    "OnepicError",
    "Recipe",
    "Scheduling",
    "Summary",
    "compile_dataset",
    "open_dataset",
    "read_recipe",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing a part stays quick."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
