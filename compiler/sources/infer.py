"""Inference of a source from a short text such as ``--source ~/photos``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ...common.errors import SourceError
from ...tables.places import is_folder, is_url, name_of, resolve, suffix_of
from ...tables.table import TABLE_SUFFIXES
from .huggingface import SAVED_FILES
from .listing import list_folders
from .tar_index import TAR_NAMES

#: What lies beside shards and parts: their indices and descriptions.
_BESIDE_DATA = ("json", "idx", "parquet", "txt", "md")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def infer_source(text: str) -> dict[str, Any]:
    """The recipe's ``source`` for a path, URL, Hub id, or a word of ours; paths become absolute.

    The words are ``photos`` and ``scenes``.

    Raises:
        SourceError: saying what was tried, when it is none of them.
    """
    if text in ("photos", "scenes"):
        return {"kind": text}
    place = resolve(text, Path.cwd())
    if suffix_of(place) in TABLE_SUFFIXES:
        return {"kind": "table", "path": place}
    if TAR_NAMES.fullmatch(name_of(place)) and not is_folder(place):
        return {"kind": "webdataset", "path": place}
    if is_folder(place):
        return {"kind": _kind_of_folder(place), "path": place}
    if _HUB_ID.fullmatch(text) and not Path(text).exists():
        return {"kind": "huggingface", "path": text}
    raise SourceError(
        f"{text}: not a source; tried a folder (no such one), a table "
        f"({', '.join(f'.{suffix}' for suffix in TABLE_SUFFIXES)}), tars (.tar), a Hub id "
        "(user/name) and the words photos and scenes"
    )


def _kind_of_folder(place: str) -> str:
    if is_url(place):
        return "folder"
    if any(Path(place, file).is_file() for file in SAVED_FILES):
        return "huggingface"
    files = [path for path in Path(place).iterdir() if not path.name.startswith(".")]
    tars = {path for path in files if TAR_NAMES.fullmatch(path.name)}
    kinds = {suffix_of(path.name) for path in files if path.is_file() and path not in tars}
    if list_folders(place) or kinds - {*_BESIDE_DATA}:
        return "folder"
    return "webdataset" if tars else "huggingface" if "parquet" in kinds else "folder"
