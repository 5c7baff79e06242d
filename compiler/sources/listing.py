"""The files below a folder, local or remote; hidden ones and those that are no data left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from ...common.errors import SourceError
from ...tables.places import is_url, name_of, reason_of, stamp_of_info
from .no_data import is_image, is_left_out


@dataclass(frozen=True)
class Listing:
    """Files below `root`: sorted relative paths, and for URLs the stamps that came with them.

    `left_out` are the folders that were not looked into, see `is_left_out`.
    """

    root: str
    paths: list[str]
    stamps: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def images(self) -> list[str]:
        """The paths of images, see `is_image`."""
        return self._parted[0]

    @property
    def others(self) -> list[str]:
        """The paths of all other files."""
        return self._parted[1]

    @cached_property
    def _parted(self) -> tuple[list[str], list[str]]:
        images: list[str] = []
        others: list[str] = []
        for path in self.paths:
            (images if is_image(path) else others).append(path)
        return images, others

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
        left_out: list[str] = []
        paths = sorted(_walk(root, "", frozenset(), left_out))
    except Exception as error:  # each remote file system has errors of its own
        found = getattr(error, "filename", None) or root
        raise SourceError(f"{found}: {reason_of(error)}; expected a folder of images") from error
    _refuse_unprintable(root, paths)
    return Listing(root, paths, left_out=sorted(left_out))


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
    return sorted(name for name in names if not is_left_out(name))


def _walk(folder: str, prefix: str, above: frozenset[str], left_out: list[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                if is_left_out(entry.name):
                    left_out.append(prefix + entry.name)
                    continue
                yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {real}, left_out)
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
    visible = []
    left_out: dict[str, None] = {}
    for path in infos:
        if folder := _left_out_above(path):
            left_out[folder] = None
        elif not name_of(path).startswith("."):
            visible.append(path)
    stamps = {f"{root}/{path}": stamp_of_info(infos[path]) for path in visible}
    return Listing(root, visible, stamps, list(left_out))


def _left_out_above(path: str) -> str | None:
    """The first folder of a path that `is_left_out`."""
    folders = path.split("/")[:-1]
    for number, folder in enumerate(folders, 1):
        if is_left_out(folder):
            return "/".join(folders[:number])
    return None


def _refuse_unprintable(root: str, paths: list[str]) -> None:
    for path in paths:
        if not path.isascii():
            try:
                path.encode()
            except UnicodeEncodeError as error:
                message = f"{root}: the file name {path!r} is not UTF-8; rename the file"
                raise SourceError(message) from error
