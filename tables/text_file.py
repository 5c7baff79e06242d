"""A table's text: its encoding, and where in it a byte is that the encoding does not have."""

from __future__ import annotations

import codecs
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from ..common.errors import SourceError
from .places import is_url, open_place

#: The marks that a file may begin with. UTF-32's begins as one of UTF-16 does.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class TextFile:
    """An open file that can be read as text any number of times."""

    place: str
    file: BinaryIO
    encoding: str

    @contextmanager
    def text(self, newline: str = "") -> Iterator[TextIO]:
        """The text from its beginning; `newline` is that of `open`.

        Raises:
            SourceError: naming the line and the bytes that are not in the file's encoding.
        """
        self.file.seek(0)
        text = io.TextIOWrapper(self.file, encoding=self.encoding, newline=newline)
        try:
            yield text
        except UnicodeError as error:
            raise SourceError(self._undecodable()) from error
        finally:
            text.detach()  # or the wrapper would close the file

    def _undecodable(self) -> str:
        name = self.encoding.removesuffix("-sig").upper()
        if name.startswith(("UTF-16", "UTF-32")):
            return f"{self.place}: damaged or cut short as {name}; save the file as UTF-8"
        self.file.seek(0)
        for number, line in enumerate(self.file, 1):
            try:
                line.decode(self.encoding)
            except UnicodeError as error:
                return f"{self.place}, line {number}: {_found(error, name)}"
        return f"{self.place}: not {name}; save the file as UTF-8"


@contextmanager
def open_text_file(place: str, encoding: str | None = None) -> Iterator[TextFile]:
    """Open a local file or a URL; of a URL a copy is kept on disk meanwhile.

    The mark at a file's beginning says its encoding, else `encoding` does, which is UTF-8 by
    default.
    """
    with open_place(place) as opened, tempfile.TemporaryFile() as copy:
        file: BinaryIO = opened
        if is_url(place):
            shutil.copyfileobj(opened, copy, 1 << 20)
            file = copy
        file.seek(0)
        head = file.read(4)
        marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
        yield TextFile(place, file, marked or encoding or "utf-8")


def _found(error: UnicodeError, name: str) -> str:
    advice = "save the file as UTF-8, or choose the `encoding` of the source"
    if not isinstance(error, UnicodeDecodeError):
        return f"not {name}; {advice}"
    around = error.object[max(error.start - 10, 0) : error.start + 10]
    as_windows = around.decode("cp1252", "replace").strip()
    return (
        f"the byte {error.object[error.start]:02x} is not {name}; {advice}: "
        f"in `cp1252` it reads {as_windows!r}"
    )
