"""What a short text such as ``--source ~/photos`` means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import SourceError
from .huggingface import SAVED_FILES
from .listing import list_folders
from .places import is_folder, is_url, resolve, suffix_of
from .table import TABLE_SUFFIXES

#: What lies beside shards: their indices and descriptions.
_BESIDE_TARS = ("tar", "json", "idx", "parquet", "txt", "md")
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
    if suffix_of(place) == "tar":
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
    tars = any(path.suffix == ".tar" for path in files)
    others = any(path.is_file() and suffix_of(path.name) not in _BESIDE_TARS for path in files)
    return "webdataset" if tars and not others and not list_folders(place) else "folder"
