"""The empty prompt's embeddings, once per dataset: training drops prompts for guidance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..backbones.texts import Embeddings
from ..common.files import write_whole


def write_null_prompt(path: Path, embeddings: Embeddings) -> None:
    """Write the embeddings of one prompt, with their SHA-256 in the file's metadata."""
    arrays = embeddings.arrays
    write_whole(path, save(arrays, metadata={"sha256": _sha256_of(arrays)}))


def read_null_prompt(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the one prompt, by name, without the axis of prompts.

    Raises:
        OSError, SafetensorError, ValueError: when the file is missing or damaged.
    """
    arrays = load(path.read_bytes())
    if not arrays or any(array.ndim < 1 or len(array) != 1 for array in arrays.values()):
        raise ValueError("it does not hold one prompt")
    return {name: np.asarray(array[0]) for name, array in arrays.items()}


def is_sound(data: bytes) -> bool:
    """Whether these are the bytes of a file with the very tensors that were written."""
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        recorded = header["__metadata__"]["sha256"]
    except (SafetensorError, ValueError, LookupError, TypeError):
        return False
    return bool(recorded == _sha256_of(tensors))


def _sha256_of(tensors: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(np.ascontiguousarray(tensors[name]).data)
    return found.hexdigest()
