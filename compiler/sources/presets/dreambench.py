"""DreamBench as a source: a few photographs of each of thirty subjects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from ....canvas.row import Columns
from ....common.errors import SourceError
from ....tables.places import is_folder
from .files import Images, Item, is_file, read_layout_file
from .preset import Preset

_CLASSES = "prompts_and_classes.txt"
_HEADER = "subject_name,class"


class DreamBenchSource(Preset):
    """DreamBench, the dataset of DreamBooth: the repository google/dreambooth, or its ``dataset``.

    ``image`` shows ``subject``, the name of its folder (``dog6``), which is a ``class`` (``dog``).
    With ``kind: groups`` and ``by: subject``, other pictures of the subject are its references. The
    pictures of a subject are a group: whole subjects are held out.
    """

    named_by_files: ClassVar[bool] = True

    kind: Literal["dreambench"] = "dreambench"

    layout: ClassVar[str] = (
        "the layout of DreamBench: a folder of images for each subject (dataset/dog/00.jpg), and "
        "dataset/prompts_and_classes.txt for their classes"
    )
    images: ClassVar[Mapping[str, tuple[str, ...]]] = {"image": ("image",)}
    texts: ClassVar[tuple[str, ...]] = ("subject", "class")

    def items(self, root: str, files: Sequence[str], columns: Columns) -> Iterator[Item]:
        """The images of all subjects; see `Preset.items`."""
        folder = f"{root}/dataset" if is_folder(f"{root}/dataset") else root
        classes: dict[str, str] = {}
        place = f"{folder}/{_CLASSES}"
        if "class" in columns.texts and ("class" not in columns.optional_texts or is_file(place)):
            classes = read_classes(place, self.layout)
        images = Images.below(folder)
        for stem, file in images.by_stem.items():
            subject, slash, rest = stem.partition("/")
            if slash and "/" not in rest:
                key = file.place.removeprefix(f"{images.folder}/")
                said = {"subject": subject, "class": classes.get(subject)}
                yield Item(key, dict.fromkeys(files, file), said, group=subject)


def read_classes(place: str, layout: str) -> dict[str, str]:
    """The class of each subject, from the table at the start of the file.

    Raises:
        SourceError: when the file or its table is not there, or naming the line that is no pair.
    """
    lines = [line.strip() for line in read_layout_file(place, layout).splitlines()]
    if _HEADER not in lines:
        raise SourceError(f"{place}: no line {_HEADER!r}; expected a table that begins with it")
    classes: dict[str, str] = {}
    start = lines.index(_HEADER) + 1
    for number, line in enumerate(lines[start:], start + 1):
        if not line:
            break
        subject, comma, name = line.partition(",")
        if not comma or not name.strip():
            raise SourceError(
                f"{place}, line {number}: expected a subject and its class, such as 'dog6,dog', "
                f"found {line!r:.60}"
            )
        classes[subject.strip()] = name.strip()
    return classes
