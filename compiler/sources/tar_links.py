"""Where the data of a tar's members lie: links have none of their own."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping

#: Links that lead from one to the next before it is taken for a circle.
_LINKS = 40


def with_data(
    members: Iterable[tarfile.TarInfo],
) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarInfo | None]]:
    """Each file or link, and the member that holds its data; None where the tar does not.

    `tar` writes the second name of a file on disk as a link to its first. A link to a folder is
    left out, as folders are.
    """
    members = list(members)
    by_name: dict[str, tarfile.TarInfo] = {}
    if any(map(_is_link, members)):
        by_name = {posixpath.normpath(member.name): member for member in members}
    for member in members:
        if member.isfile():
            yield member, member
        elif _is_link(member):
            target = _follow(member, by_name)
            if target is None or target.isfile():
                yield member, target


def _is_link(member: tarfile.TarInfo) -> bool:
    return member.islnk() or member.issym()


def _follow(
    member: tarfile.TarInfo, by_name: Mapping[str, tarfile.TarInfo]
) -> tarfile.TarInfo | None:
    for _ in range(_LINKS):
        # The name in a symbolic link starts at its folder, that in a hard link at the tar's root.
        folder = posixpath.dirname(member.name) if member.issym() else ""
        found = by_name.get(posixpath.normpath(posixpath.join(folder, member.linkname)))
        if found is None or not _is_link(found):
            return found
        member = found
    return None
