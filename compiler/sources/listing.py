"""The files below a folder, local or remote, hidden ones left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import SourceError
from .places import is_url, reason_of, stamp_of_info


@dataclass(frozen=True)
class Listing:
    """Files below `root`: sorted relative paths, and for URLs the stamps that came with them."""

    root: str
    paths: list[str]
    stamps: dict[str, str] = field(default_factory=dict)

    def place(self, path: str) -> str:
        """The absolute place of one of the paths."""
        return f"{self.root}/{path}"


def list_files(root: str) -> Listing:
    """List a folder and the folders in it, following links that do not go round in circles.

    Raises:
        SourceError: when it is not there, is not a folder, or a folder in it cannot be read.
    """
    root = root.rstrip("/") or "/"
    try:
        if is_url(root):
            return _list_remote(root)
        paths = sorted(_walk(root, "", frozenset()))
    except Exception as error:  # each remote file system has errors of its own
        found = getattr(error, "filename", None) or root
        raise SourceError(f"{found}: {reason_of(error)}; expected a folder of images") from error
    _refuse_unprintable(root, paths)
    return Listing(root, paths)


def list_folders(root: str) -> list[str]:
    """The names of the folders in a folder, sorted; empty where it cannot be listed."""
    try:
        if is_url(root):
            import fsspec

            file_system, path = fsspec.core.url_to_fs(root)
            entries = file_system.ls(path, detail=True)
            found = [e["name"].rstrip("/") for e in entries if e["type"] == "directory"]
        else:
            with os.scandir(root) as scan:
                found = [entry.name for entry in scan if entry.is_dir()]
    except Exception:  # the message that asks for the names is about something else
        return []
    names = (name.rpartition("/")[2] for name in found)
    return sorted(name for name in names if not name.startswith("."))


def _walk(folder: str, prefix: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {real})
            else:
                yield prefix + entry.name


def _list_remote(root: str) -> Listing:
    import fsspec

    file_system, folder = fsspec.core.url_to_fs(root)
    found = file_system.find(folder, detail=True)
    if not found and not file_system.exists(folder):
        raise FileNotFoundError("no such folder")
    start = len(folder.rstrip("/")) + 1
    infos = {path[start:]: info for path, info in sorted(found.items())}
    visible = [path for path in infos if not f"/{path}".count("/.")]
    stamps = {f"{root}/{path}": stamp_of_info(infos[path]) for path in visible}
    return Listing(root, sorted(visible), stamps)


def _refuse_unprintable(root: str, paths: list[str]) -> None:
    for path in paths:
        if not path.isascii():
            try:
                path.encode()
            except UnicodeEncodeError as error:
                message = f"{root}: the file name {path!r} is not UTF-8; rename the file"
                raise SourceError(message) from error
