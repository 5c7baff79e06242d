"""Files that appear whole or not at all, and the names of those in a dataset."""

from __future__ import annotations

import re
from pathlib import Path

#: Raised when the files of a dataset change their meaning; not every recipe's have the latest.
FORMAT_VERSION = 2
STATE = ".compile"
DATASET = "dataset.json"
NULL_PROMPT = "null_prompt.safetensors"
REJECTED = "rejected.parquet"
CANVASES = "canvases.png"
SHARDS = "shards"
#: What lies beside a shard's index, by its name in the index's header, and how it ends.
SHARD_FILES = {"tar": ".tar", "text": ".text.safetensors"}
#: The path of a shard's file in its dataset.
SHARD_NAME = re.compile(rf"{SHARDS}/\d{{5,}}\.(tar|text\.safetensors|parquet)")


def shard_path(output: Path, number: int, suffix: str) -> Path:
    """A file of shard `number`; `suffix` is ``.tar``, ``.text.safetensors`` or ``.parquet``."""
    return output / shard_name(number, suffix)


def shard_name(number: int, suffix: str) -> str:
    """The path of a file of shard `number` in its dataset."""
    return f"{SHARDS}/{shard_stem(number)}{suffix}"


def shard_stem(number: int) -> str:
    """The name of the files of shard `number`, up to the dot: ``00012``."""
    return f"{number:05d}"
