"""The empty prompt's embeddings, once per dataset: training drops prompts for guidance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from .embeddings import Embeddings
from .files import write_whole


def write_null_prompt(path: Path, embeddings: Embeddings) -> None:
    """Write the embeddings of one prompt, with their SHA-256 in the file's metadata."""
    tensors = {"hidden": embeddings.hidden, "pooled": embeddings.pooled}
    write_whole(path, save(tensors, metadata={"sha256": _sha256_of(tensors)}))


def is_sound(path: Path) -> bool:
    """Whether the file holds the very tensors that were written."""
    try:
        with safe_open(path, "numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            recorded = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return False
    return recorded == _sha256_of(tensors)


def _sha256_of(tensors: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(np.ascontiguousarray(tensors[name]).data)
    return found.hexdigest()
