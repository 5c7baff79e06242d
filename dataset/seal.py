"""The checksums by which a finished dataset tells every changed byte, but for those of its card.

The index of a shard has those of its tar and its text. dataset.json has those of the indexes and of
the files that a dataset has once, and one of itself.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..common.files import digest, sha256, to_json
from .info import DatasetInfo
from .names import CANVASES, NULL_PROMPT, REJECTED, shard_name

#: The keys of the files' checksums, and of that of dataset.json: two, so that damage to the name of
#: one does not make the dataset look like one from before there were checksums.
FILES, SELF = "checksums", "checksum"


def sealed(info: DatasetInfo, folder: Path) -> DatasetInfo:
    """The same, with the checksums of the files in `folder` as they are now.

    Raises:
        OSError: when an index cannot be read.
    """
    once = (name for name in (NULL_PROMPT, REJECTED, CANVASES) if (folder / name).is_file())
    indexes = (shard_name(number, ".parquet") for number in range(info.totals.shards))
    whole = info.model_copy(
        update={FILES: {name: sha256(folder / name) for name in (*once, *indexes)}}
    )
    rest = {key: value for key, value in whole.plain().items() if key != SELF}
    return whole.model_copy(update={SELF: digest(rest)})


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
