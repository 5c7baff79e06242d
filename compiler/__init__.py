"""Turns raw task data into WebDataset shards of canvas latents and masks.

In the order in which data meet the modules:

- `recipe_file`, `recipe`, `panel_options`, `prompt`: a YAML file becomes a checked recipe.
- `sources`: rows are listed, and read when a shard needs them.
- `model`, `sizes`, `layout`: what the model can encode, and where panels lie.
- `filters`, `picture_hash`, `hashes`, `alike`, `duplicates`, `marks`: which rows are wanted.
- `fingerprint`, `plan`: what shapes the bytes, and which shards are missing or stale.
- `images`, `jpeg`, `containers`, `whole`, `value_range`, `rgb`: files become pictures, unless they
  are damaged.
- `fitting`, `pairs`, `operations`, `panels`: rows become panels; `sharing`: what rows share.
- `alignment`, `looks`, `repeats`, `findings`, `remarks`: what is seen that may be wrong, counted,
  and how it is told.
- `weights`, `encoder`, `embeddings`: panels become latents, prompts become embeddings.
- `shard`, `tar`, `writer`, `index`, `null_prompt`: a shard, whole or not at all.
- `engines`: who runs the shard jobs, and where.
- `compile`, `info`, `preview`, `card`, `finish`, `outcome`, `cli`: the run as a whole.
- `delivery`: sending shards to a store while others are made.
- `seal`: the checksums of all files; `stores`, `dataset`, `verify`: reading what was made, in a
  folder or at a URL, and checking it.
- `decoder`, `inspection`: looking at it.
- `publishing`: putting it on the Hub.
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
