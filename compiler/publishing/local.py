"""The files of a dataset that are published, and what is known of their bytes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...common.errors import DatasetError
from ...common.files import sha256
from ...common.secrets import public_recipe, public_text
from ...dataset.dataset import Dataset
from ...dataset.names import (
    CANVASES,
    DATASET,
    NULL_PROMPT,
    REJECTED,
    SHARD_FILES,
    SHARDS,
    shard_name,
    shard_path,
)
from ..card import CARD, is_as_written, render_card

#: Problems of a damaged dataset that a message names before it counts the rest.
_NAMED = 5


@dataclass(frozen=True)
class LocalFile:
    """A file to be published: where its bytes are, or they themselves."""

    source: Path | bytes
    size: int
    sha256: str

    @classmethod
    def of(cls, source: Path | bytes) -> LocalFile:
        """A file whose checksum is not known yet."""
        if isinstance(source, bytes):
            return cls(source, len(source), hashlib.sha256(source).hexdigest())
        return cls(source, source.stat().st_size, sha256(source))

    def read(self) -> bytes:
        """The content of a small file."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def json(self) -> dict[str, Any]:
        """The object that a small JSON file holds."""
        found: dict[str, Any] = json.loads(self.read())
        return found

    def git_name(self) -> str:
        """The SHA-1 by which git knows the content, in hex; reads the file."""
        data = self.read()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def check_sound(dataset: Dataset) -> None:
    """Read every byte of a dataset, and refuse one that is not what was compiled.

    Raises:
        DatasetError: naming the problems and what to do.
    """
    problems = dataset.verify()
    if problems:
        rest = [f"and {len(problems) - _NAMED} more"] if len(problems) > _NAMED else []
        found = "\n  ".join([*problems[:_NAMED], *rest])
        raise DatasetError(
            f"{dataset.path} is damaged and was not published:\n  {found}\n"
            "run onepic-compile again to restore it"
        )


def check_public(dataset: Dataset) -> None:
    """Refuse a dataset of an older onepic, which kept addresses whole.

    Raises:
        DatasetError: naming the file that would give away a user name, a password or a query.
    """
    recipe = dataset.info.recipe
    places = [] if public_recipe(recipe) == recipe else [DATASET]
    places += [
        shard_name(header.number, ".parquet")
        for header in dataset.headers()
        if not all(_is_public(row.reason) for row in header.left_out)
    ]
    if places:
        raise DatasetError(
            f"{dataset.path} was not published: {places[0]} has the address of an image or a "
            "source with its user name or query, which may be secret; compile it anew into "
            "another folder"
        )


def _is_public(reason: str) -> bool:
    return "://" not in reason or public_text(reason) == reason


def local_files(dataset: Dataset, repository: str) -> dict[str, LocalFile]:
    """List what a sound dataset publishes, by path, shards first and dataset.json last.

    The card is written for `repository`, unless its author has edited it.
    """
    found = dict(_shard_files(dataset))
    for name in (REJECTED, NULL_PROMPT, CANVASES):
        if (dataset.path / name).is_file():
            found[name] = LocalFile.of(dataset.path / name)
    found[CARD] = LocalFile.of(_card(dataset, repository))
    found[DATASET] = LocalFile.of(dataset.path / DATASET)
    return found


def left_out(dataset: Dataset, published: dict[str, LocalFile]) -> list[str]:
    """The paths of files in the folder that are not the dataset's, and stay here."""
    paths = (path for path in dataset.path.rglob("*") if path.is_file())
    names = (path.relative_to(dataset.path) for path in paths)
    shown = (name.as_posix() for name in names if not name.parts[0].startswith("."))
    return sorted(name for name in shown if name not in published)


def _shard_files(dataset: Dataset) -> Iterator[tuple[str, LocalFile]]:
    for header in dataset.headers():
        for kind, record in header.files.items():
            path = shard_path(dataset.path, header.number, SHARD_FILES[kind])
            yield f"{SHARDS}/{path.name}", LocalFile(path, record.size, record.sha256)
        index = shard_path(dataset.path, header.number, ".parquet")
        yield f"{SHARDS}/{index.name}", LocalFile.of(index)


def _card(dataset: Dataset, repository: str) -> bytes:
    path = dataset.path / CARD
    if path.is_file():
        data = path.read_bytes()
        if not is_as_written(data.decode(errors="replace")):
            return data
    stages = Counter(row.stage for header in dataset.headers() for row in header.rejected)
    return render_card(dataset.info, stages, repository).encode()
