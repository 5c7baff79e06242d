"""The text files beside images, and what they say of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...canvas.findings import Finding
from ...canvas.prompt import is_no_text
from ...canvas.row import Value
from ...common.errors import RowError
from ...tables.cells import SEVERAL, are_texts
from ...tables.places import IMAGE_SUFFIXES, name_of, parent, read_text, reason_of, suffix_of
from .listing import Listing
from .spelling import alike, stem_of

#: Suffixes of texts; the first that a row has counts.
TEXT_SUFFIXES = ("txt", "caption", "json")
#: Under which names an image's JSON file and a folder's table may hold its caption.
CAPTION_NAMES = ("caption", "text", "prompt")


class Texts(NamedTuple):
    """The places of one text of a row: files, of which the first with a text counts, or a table.

    `said` is what the folder's table says, which counts after the files.
    """

    places: tuple[str, ...] = ()
    said: str | None = None


class TextFiles:
    """The text files of a folder, by the `images` (relative paths) that they may belong to.

    A text's name without its suffix is its image's, with or without the image's suffix. Where no
    text is called exactly so, and no other image is, names that are `alike` will do.
    """

    def __init__(self, listing: Listing, images: Sequence[str]) -> None:
        names = {*images, *map(stem_of, images)}
        parts = ((path, path.rpartition(".")) for path in listing.others)
        stems = {path: stem for path, (stem, _, end) in parts if end.lower() in TEXT_SUFFIXES}
        exact = {path: stem for path, stem in stems.items() if stem in names}
        self._exact = _by_name(listing, exact)
        others = {path: alike(stem) for path, stem in stems.items() if stem not in names}
        known = set(map(alike, names)) if others else set()
        self._alike = _by_name(listing, {p: stem for p, stem in others.items() if stem in known})
        lone = (path for path, stem in others.items() if stem not in known)
        self._orphans = [listing.place(path) for path in lone if suffix_of(path) != "json"]

    def of(self, image: str) -> tuple[str, ...]:
        """The places of an image's texts, the first one first."""
        found = _of(self._exact, image, stem_of(image))
        if self._alike:
            found += _of(self._alike, alike(image), alike(stem_of(image)))
        return found

    def used(self) -> set[str]:
        """The places of all texts that belong to an image."""
        found = (*self._exact.values(), *self._alike.values())
        return {place for places in found for place in places}

    def orphans(self) -> list[str]:
        """The places of captions that belong to none; a lone JSON file may be anything."""
        return self._orphans


def _by_name(listing: Listing, named: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for path, name in named.items():
        found[name] = (*found.get(name, ()), listing.place(path))
    return found


def _of(index: Mapping[str, tuple[str, ...]], image: str, stem: str) -> tuple[str, ...]:
    found = index.get(stem, ()) + index.get(image, ())
    return found if len(found) < 2 else tuple(sorted(found, key=_rank))


def _rank(place: str) -> int:
    return TEXT_SUFFIXES.index(suffix_of(place))


def read_texts(column: str, texts: Texts, images: Mapping[str, str]) -> tuple[Value, list[Finding]]:
    """Read a row's texts, and where each was found if not in ``NAME.txt``.

    `images` are the places of the row's images by column.

    Raises:
        RowError: when a file cannot be read.
    """
    said = [(place, _read(place)) for place in texts.places]
    if texts.said is not None:
        said.append(("", _several(texts.said)))
    heard = [(place, text) for place, text in said if not is_no_text(text)]
    if not heard:
        return (said[0][1] if said else None), []
    (first, text), *others = heard
    findings = []
    if not _is_plain(first, images):
        findings.append(Finding("caption-reading", f"{column}: {_form(first, images)}"))
    for other, differing in others:
        if differing != text:
            about = f"{column}: {_form(first, images)} counts, {_form(other, images)} does not"
            findings.append(Finding("several-captions", about))
    return text, findings


def _is_plain(place: str, images: Mapping[str, str]) -> bool:
    """Whether a text is ``NAME.txt`` for an image ``NAME``."""
    stem, _, suffix = name_of(place).rpartition(".")
    return suffix.lower() == "txt" and any(
        stem_of(name_of(path)) == stem for path in images.values()
    )


def _form(place: str, images: Mapping[str, str]) -> str:
    """The name of a text, for people: ``before/NAME.caption``."""
    if not place:
        return "the folder's metadata table"
    stem, suffix = stem_of(name_of(place)), suffix_of(place)
    names = {name_of(path) for path in images.values()}
    beside = [name for name, path in images.items() if parent(path) == parent(place)]
    folder = f"{beside[0]}/" if beside and len(images) > 1 else ""
    doubled = ".SUFFIX" if suffix_of(stem) in IMAGE_SUFFIXES else ""
    spelt = "" if stem in names | set(map(stem_of, names)) else ", its name spelt in another way"
    return f"{folder}NAME{doubled}.{suffix}{spelt}"


def _read(place: str) -> Value:
    try:
        text = read_text(place)
        return _caption_of(json.loads(text)) if suffix_of(place) == "json" else text
    except UnicodeDecodeError as error:
        reason = f"{place}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise RowError("read", reason) from error
    except ValueError as error:
        raise RowError("read", f"{place}: not JSON: {error}; mend or remove it") from error
    except Exception as error:  # each remote file system has errors of its own
        raise RowError("read", f"{place} cannot be read: {reason_of(error)}") from error


def _caption_of(found: object) -> Value:
    """The caption in an image's JSON file, which may also hold anything else."""
    values = [found.get(name) for name in CAPTION_NAMES] if isinstance(found, dict) else []
    for value in values:
        text = tuple(filter(None, value)) if isinstance(value, list) and are_texts(value) else value
        if isinstance(text, str | tuple) and not is_no_text(text):
            return text
    return None


def _several(text: str) -> Value:
    return tuple(text.split(SEVERAL)) if SEVERAL in text else text
