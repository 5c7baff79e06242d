"""MagicBrush as a source: pictures, instructions, and the pictures after them, turn by turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import Field

from ....canvas.fitting import of_one_shape
from ....canvas.pictures.images import decode_image
from ....canvas.row import Columns, Value
from ....common.errors import SourceError
from ....tables.places import name_of
from .files import Images, Item, find_folder, is_file, read_layout_file
from .pictures import mask_of_erased, scale_mask
from .preset import Preset

#: What the turns call the files of a row, and its texts.
_FILES = {"image": "input", "edited": "output", "edit_mask": "mask"}
_DESCRIBED = {"caption": "input", "edited_caption": "output"}
_SESSIONS, _TURNS = "edit_sessions.json", "edit_turns.json"
_DESCRIPTIONS = "global_descriptions.json"
_KEYS = "expected the keys input, mask, output and instruction"


class MagicBrushSource(Preset):
    """MagicBrush as it is unpacked; on the Hub, ``kind: huggingface`` reads it.

    ``edited`` is ``image`` after ``instruction``, which changes what ``edit_mask`` shows. Each turn
    of a session is a row: the image of a later one is what the turn before made of it, so the
    turns of a session are a group. ``caption`` and ``edited_caption`` describe the two, in the
    splits that come with descriptions.

    The masks of the download are copies of the image whose part to edit is erased, that is
    transparent; that part is white in ``edit_mask``. Where a recipe reads it, the image and the
    mask get the size of ``edited`` if theirs is another.
    """

    kind: Literal["magicbrush"] = "magicbrush"
    split: str = Field(default="train", description="The folder: train, dev or test.")

    layout: ClassVar[str] = (
        "the layout of MagicBrush: a folder for each split, with edit_sessions.json or "
        "edit_turns.json, and images/ID/ID-input.png, ID-mask1.png, ID-output1.png and so on"
    )
    images: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "image": ("image",),
        "edited": ("edited",),
        "edit_mask": ("edit_mask", "edited"),
    }
    texts: ClassVar[tuple[str, ...]] = ("instruction", "caption", "edited_caption")

    def items(self, root: str, files: Sequence[str], columns: Columns) -> Iterator[Item]:
        """The turns of a split, session by session; see `Preset.items`."""
        split = find_folder(root, (self.split,), self.layout)
        place, sessions = _read_sessions(split, self.layout)
        images = Images.below(find_folder(split, ("images",), self.layout))
        descriptions = _read_descriptions(split, columns)
        for session, turns in sessions.items():
            for number, turn in enumerate(turns, 1):
                key = f"{session}/{number}"
                said = {n: _text(turn, n, descriptions.get(session, {})) for n in self.texts}
                stems = {name: _stem(turn, _FILES[name]) for name in files}
                if absent := [_FILES[name] for name, stem in stems.items() if not stem]:
                    reason = f"{place}, session {session}, turn {number}: no {absent[0]!r}; {_KEYS}"
                    yield Item(key, dict.fromkeys(files), said, reason, session)
                else:
                    either = {n: (f"{session}/{stem}", stem) for n, stem in stems.items() if stem}
                    yield Item.of(key, dict.fromkeys(files, images), either, said, session)

    def pictures(
        self, key: str, files: Mapping[str, str], names: Sequence[str]
    ) -> Mapping[str, Value]:
        """Places, and the mask; see `Preset.pictures`."""
        if "edit_mask" not in names:
            return super().pictures(key, files, names)
        size = decode_image(files["edited"], background=(255, 255, 255)).original_size
        values: dict[str, Value] = {name: files[name] for name in names}
        mask = mask_of_erased(files["edit_mask"])
        values["edit_mask"] = scale_mask(mask, size, files["edit_mask"])
        if "image" in names:
            image = decode_image(files["image"], background=(255, 255, 255)).image
            if image.size != size and of_one_shape(image.size, size):
                values["image"] = image.resize(size, Image.Resampling.LANCZOS)
        return values


def _read_sessions(split: str, layout: str) -> tuple[str, dict[str, list[Any]]]:
    """The turns by session, and the file that they come from."""
    place = next((f"{split}/{n}" for n in (_SESSIONS, _TURNS) if is_file(f"{split}/{n}")), None)
    if place is None:
        raise SourceError(f"{split}: has neither {_SESSIONS} nor {_TURNS}; expected {layout}")
    found = _parse(place, read_layout_file(place, layout))
    if isinstance(found, list):
        return place, _by_session(found, place)
    if not isinstance(found, dict) or not all(isinstance(turns, list) for turns in found.values()):
        raise SourceError(f"{place}: expected lists of turns by session")
    return place, found


def _by_session(turns: Sequence[Any], place: str) -> dict[str, list[Any]]:
    sessions: dict[str, list[Any]] = {}
    for number, turn in enumerate(turns, 1):
        image = _stem(turn, "input")
        if not image:
            raise SourceError(f"{place}, turn {number}: no 'input'; {_KEYS}")
        sessions.setdefault(image.partition("-")[0], []).append(turn)
    return sessions


def _read_descriptions(split: str, columns: Columns) -> Mapping[str, Mapping[str, str]]:
    """The descriptions of each session's images, by file name; none where no column needs them."""
    place = f"{split}/{_DESCRIPTIONS}"
    asked = {name for name in columns.texts if name in _DESCRIBED}
    if not asked or (asked <= {*columns.optional_texts} and not is_file(place)):
        return {}
    layout = f"{_DESCRIPTIONS} for the captions, which the splits dev and test come with"
    found = _parse(place, read_layout_file(place, layout))
    if not isinstance(found, dict) or not all(isinstance(texts, dict) for texts in found.values()):
        raise SourceError(f"{place}: expected descriptions by session and file name")
    return found


def _parse(place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SourceError(f"{place}: not JSON: {error}") from error


def _stem(turn: Any, key: str) -> str | None:
    """The name of a turn's file, without its suffix."""
    value = turn.get(key) if isinstance(turn, dict) else None
    return name_of(value).rpartition(".")[0] or value if isinstance(value, str) else None


def _text(turn: Any, name: str, descriptions: Mapping[str, str]) -> str | None:
    if not isinstance(turn, dict):
        return None
    described = name in _DESCRIBED
    value = descriptions.get(str(turn.get(_DESCRIBED[name]))) if described else turn.get(name)
    return value if isinstance(value, str) else None
