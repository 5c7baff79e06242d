"""Dress Code as a source: persons in garments of three categories, with masks from label maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from ....canvas.pictures.images import decode_image
from ....canvas.row import Columns, Value
from .files import Images, Item, find_folder
from .pictures import hide, mask_of_labels, read_labels, widen
from .try_on import Pair, TryOnSource, read_pairs

Category = Literal["upper_body", "lower_body", "dresses"]

_FOLDERS = {
    "person": "images",
    "garment": "images",
    "label_map": "label_maps",
    "pose": "skeletons",
}
#: What the label maps call the garments of a category: upper clothes, skirt and pants, dress.
_LABELS = {"upper_body": (4,), "lower_body": (5, 6), "dresses": (7,)}
_WORDS = {"upper_body": "upper body", "lower_body": "lower body", "dresses": "dress"}


class DressCodeSource(TryOnSource):
    """Dress Code as it is unpacked.

    ``person`` wears ``garment``, which is hidden in ``agnostic`` where ``garment_mask`` is white.
    Both are made from the label maps: the garments of the row's category, and a little around them.
    ``pose`` is the person's skeleton, ``category`` a text. A column's folder is needed when a
    recipe reads it.
    """

    kind: Literal["dresscode"] = "dresscode"
    categories: tuple[Category, ...] = Field(
        default=("upper_body", "lower_body", "dresses"),
        min_length=1,
        description="The categories, in the order of their rows.",
    )
    margin: float = Field(
        default=0.02,
        ge=0,
        le=0.5,
        description="Margin of `garment_mask` around the garment, as a share of the "
        "picture's longer side. Without, its outline tells what the garment looks like.",
    )

    layout: ClassVar[str] = (
        "the layout of Dress Code: in each of upper_body/, lower_body/ and dresses/ the files "
        "train_pairs.txt, test_pairs_paired.txt and test_pairs_unpaired.txt, and the folders "
        "images/, label_maps/ and skeletons/"
    )
    images: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "person": ("person",),
        "garment": ("garment",),
        "agnostic": ("person", "label_map"),
        "garment_mask": ("person", "label_map"),
        "pose": ("pose",),
    }
    texts: ClassVar[tuple[str, ...]] = ("category",)

    def items(
        self,
        root: str,
        files: Sequence[str],
        columns: Columns,  # noqa: ARG002 - texts need no files
    ) -> Iterator[Item]:
        """The persons of a split, category by category; see `Preset.items`."""
        order = "paired" if self.paired else "unpaired"
        pairs_file = "train_pairs.txt" if self.split == "train" else f"test_pairs_{order}.txt"
        for category in dict.fromkeys(self.categories):
            folder = find_folder(root, (category,), self.layout)
            pairs = read_pairs(f"{folder}/{pairs_file}", self.layout)
            needed = dict.fromkeys(_FOLDERS[name] for name in files)
            places = {name: find_folder(folder, (name,), self.layout) for name in needed}
            images = {name: Images.below(place) for name, place in places.items()}
            folders = {name: images[_FOLDERS[name]] for name in files}
            for pair in pairs:
                yield Item.of(
                    f"{category}/{self._name(pair)}",
                    folders,
                    {name: _stems(name, pair) for name in files},
                    {"category": _WORDS[category]},
                )

    def pictures(
        self, key: str, files: Mapping[str, str], names: Sequence[str]
    ) -> Mapping[str, Value]:
        """Places, and what is made of the label map; see `Preset.pictures`."""
        values: dict[str, Value] = {
            name: files[name] for name in names if name not in ("agnostic", "garment_mask")
        }
        if "agnostic" in names or "garment_mask" in names:
            person = decode_image(files["person"], background=(255, 255, 255)).image
            garment = _LABELS[key.partition("/")[0]]
            labels = read_labels(files["label_map"], person.size, garment)
            mask = widen(mask_of_labels(labels, garment), round(self.margin * max(person.size)))
            if "garment_mask" in names:
                values["garment_mask"] = mask
            if "agnostic" in names:
                values["agnostic"] = hide(person, mask)
        return values

    def _name(self, pair: Pair) -> str:
        return _number(pair.person) if self.paired else f"{_number(pair.person)}+{pair.garment}"


def _stems(file: str, pair: Pair) -> Sequence[str]:
    number = _number(pair.person)
    stem = {"label_map": f"{number}_4", "pose": f"{number}_5", "garment": pair.garment}
    return (stem.get(file, pair.person),)


def _number(person: str) -> str:
    """``000000`` of ``000000_0``."""
    return person.removesuffix("_0")
