"""The checksums by which a finished dataset tells every changed byte, but for those of its card.

The index of a shard has those of its tar and its text. dataset.json has those of the indexes and of
the files that a dataset has once, and one of itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.files import digest, sha256, to_json
from .names import CANVASES, NULL_PROMPT, REJECTED, shard_name

#: The keys of the files' checksums, and of that of dataset.json: two, so that damage to the name of
#: one does not make the dataset look like one from before there were checksums.
FILES, SELF = "checksums", "checksum"


def sealed(info: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What dataset.json holds, with the checksums of the files in `folder` as they are now.

    Raises:
        OSError: when an index cannot be read.
    """
    once = (name for name in (NULL_PROMPT, REJECTED, CANVASES) if (folder / name).is_file())
    indexes = (shard_name(number, ".parquet") for number in range(info["totals"]["shards"]))
    rest = {key: value for key, value in info.items() if key != SELF}
    whole = {**rest, FILES: {name: sha256(folder / name) for name in (*once, *indexes)}}
    return {**whole, SELF: digest(whole)}


def checksums_of(info: Mapping[str, Any]) -> Mapping[str, str]:
    """The SHA-256 of files by their paths in the dataset.

    Datasets from before there were checksums have none.
    """
    found = info.get(FILES)
    return found if isinstance(found, dict) else {}


def is_unchanged(data: bytes) -> bool:
    """Whether these are the bytes of a dataset.json as it was written.

    Of one from before there were checksums that is not known, and taken for granted.
    """
    try:
        info = json.loads(data)
        rest = {key: value for key, value in info.items() if key != SELF}
    except (ValueError, AttributeError):
        return False
    if SELF not in info:
        return FILES not in info
    return bool(info[SELF] == digest(rest)) and to_json(info) == data
