"""VITON-HD as a source: persons in upper garments, with the garments alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

from ..base import Columns
from .files import Images, Item, find_folder
from .try_on import Pair, TryOnSource, read_pairs

#: The folder of each file in a split, and what other releases call it.
_FOLDERS = {
    "person": ("image",),
    "garment": ("cloth",),
    "agnostic": ("agnostic-v3.2", "agnostic"),
    "garment_mask": ("agnostic-mask",),
    "garment_silhouette": ("cloth-mask", "cloth_mask"),
    "pose": ("openpose_img", "openpose-img"),
    "densepose": ("image-densepose", "densepose"),
    "person_segments": ("image-parse-v3", "image-parse"),
}
_ENDINGS = {"garment_mask": "_mask", "pose": "_rendered"}
_OF_GARMENT = ("garment", "garment_silhouette")


class VitonHDSource(TryOnSource):
    """VITON-HD as it is unpacked (``zalando-hd-resized``).

    ``person`` wears ``garment``, which ``agnostic`` hides and over which ``garment_mask`` is white;
    ``garment_silhouette`` is white where it lies in its own picture. ``pose``, ``densepose`` and
    ``person_segments`` are maps of the person. A column's folder is needed when a recipe reads it.

    The lines of ``test_pairs.txt`` pair persons with garments of others, so each person gets the
    garment of its own name unless ``paired: false`` asks for the lines as they are.
    """

    kind: Literal["viton-hd"] = "viton-hd"

    layout: ClassVar[str] = (
        "the layout of VITON-HD: train_pairs.txt and test_pairs.txt, and in each of train/ and "
        "test/ the folders image/, cloth/, agnostic-v3.2/, agnostic-mask/, cloth-mask/, "
        "openpose_img/, image-densepose/ and image-parse-v3/"
    )
    images: ClassVar[Mapping[str, tuple[str, ...]]] = {name: (name,) for name in _FOLDERS}

    def items(
        self,
        root: str,
        files: Sequence[str],
        columns: Columns,  # noqa: ARG002 - there are no texts
    ) -> Iterator[Item]:
        """The persons of a split; see `Preset.items`."""
        pairs = list(read_pairs(f"{root}/{self.split}_pairs.txt", self.layout))
        if self.paired:
            pairs = [
                Pair(person, person) for person in dict.fromkeys(pair.person for pair in pairs)
            ]
        split = find_folder(root, (self.split,), self.layout)
        places = {name: find_folder(split, _FOLDERS[name], self.layout) for name in files}
        folders = {name: Images.below(place) for name, place in places.items()}
        for pair in pairs:
            key = pair.person if self.paired else f"{pair.person}+{pair.garment}"
            yield Item.of(key, folders, {name: _stems(name, pair) for name in files}, {})


def _stems(file: str, pair: Pair) -> Sequence[str]:
    stem = pair.garment if file in _OF_GARMENT else pair.person
    return (f"{stem}{_ENDINGS[file]}", stem) if file in _ENDINGS else (stem,)
