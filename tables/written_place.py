"""The place of an image as people write it into a table."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from .embedded import is_embedded
from .places import inside, is_url

#: Bytes that Linux takes for a path; others take fewer.
_LONGEST_PATH = 4096
_PLAIN = re.compile(r"[\w/.][\w/. -]{0,2000}\.\w{1,5}")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def place_in(folder: str, text: str) -> str:
    r"""The place that the text of an image cell means; relative paths lie in `folder`.

    Blanks around it do not count, ``~`` is the home folder, ``file://`` URIs are local paths with
    their ``%20`` decoded, and a backslash divides folders, as in ``images\1.png``, unless a file
    has it in its name. What can be no path stays as it is, as an image in the cell itself does.
    """
    if _PLAIN.fullmatch(text):  # nearly all are
        return text if text[0] == "/" else f"{folder.rstrip('/')}/{text}"
    if is_embedded(text) or is_too_long(text):
        return text
    text = text.strip()
    if is_url(text):
        return _local_path(text) if text[:7].lower() == "file://" else text
    if "\\" in text and not os.path.lexists(inside(folder, text)):
        text = text.replace("\\", "/")
    if text.startswith("~/"):
        return os.path.expanduser(text)  # noqa: PTH111 - keeps dots as written
    return text if _DRIVE.match(text) else inside(folder, text)


def is_too_long(text: str) -> bool:
    """Whether a text has more characters than a path can have."""
    return len(text) > _LONGEST_PATH and not is_url(text)


def _local_path(uri: str) -> str:
    return unquote("/" + uri[len("file://") :].partition("/")[2])
