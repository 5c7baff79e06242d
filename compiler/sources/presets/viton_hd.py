"""VITON-HD as a source: persons in upper garments, with the garments alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....canvas.masks.files import check_mask_size
from ....canvas.pictures.images import Size, decode_image
from ....canvas.row import Columns, Value
from ....common.errors import SourceError
from ....tables.places import is_folder
from .files import Images, Item, find_folder
from .pictures import hide, hull, mask_of_file, mask_of_labels, read_labels, widen
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

#: What a column is made of where its own folder is missing: the first of which all is there.
_SUBSTITUTES = {
    "agnostic": (("person", "garment_mask"), ("person", "person_segments")),
    "garment_mask": (("person", "person_segments"),),
}
#: What `person_segments` calls upper clothes, dress and coat; with them go the skin of neck and
#: chest, and both arms.
_GARMENT = (5, 6, 7)
_HIDDEN = (*_GARMENT, 10, 14, 15)
#: Hat, hair, sunglasses and face.
_HEAD = (1, 2, 4, 13)
#: Socks, trousers, skirt, legs and shoes.
_BELOW = (8, 9, 12, 16, 17, 18, 19)
#: How far the garment and the arms are hidden around them, as a share of the longer side.
_MARGIN = 0.02


class VitonHDSource(TryOnSource):
    """VITON-HD as it is unpacked (``zalando-hd-resized``).

    ``person`` wears ``garment``, which ``agnostic`` hides and over which ``garment_mask`` is white;
    ``garment_silhouette`` is white where it lies in its own picture. ``pose``, ``densepose`` and
    ``person_segments`` are maps of the person. A column's folder is needed when a recipe reads it,
    but for ``agnostic`` and ``garment_mask``: where it has none, they are made of
    ``person_segments``, and ``agnostic`` of the masks where there are such.

    The lines of ``test_pairs.txt`` pair persons with garments of others, so each person gets the
    garment of its own name unless ``paired: false`` asks for the lines as they are.
    """

    kind: Literal["viton-hd"] = "viton-hd"
    version: ClassVar[int] = 2

    layout: ClassVar[str] = (
        "the layout of VITON-HD: train_pairs.txt and test_pairs.txt, and in each of train/ and "
        "test/ the folders image/, cloth/, agnostic-v3.2/, agnostic-mask/, cloth-mask/, "
        "openpose_img/, image-densepose/ and image-parse-v3/"
    )
    images: ClassVar[Mapping[str, tuple[str, ...]]] = {name: (name,) for name in _FOLDERS}

    def files_of(self, root: str, names: Sequence[str]) -> list[str]:
        """The columns' own files, or what they are made of; see `Preset.files_of`."""
        split = find_folder(root, (self.split,), self.layout)
        return list(dict.fromkeys(file for name in names for file in self._choose(split, name)))

    def _choose(self, split: str, name: str) -> tuple[str, ...]:
        if name not in _SUBSTITUTES:
            return (name,)
        choices = ((name,), *_SUBSTITUTES[name])
        for files in choices:
            if _has(split, files[-1]):
                return files
        folders = [f"{folder}/" for files in choices for folder in _FOLDERS[files[-1]]]
        raise SourceError(
            f"{split}: has none of {', '.join(folders)}, of which {name!r} is taken or made; "
            f"unpack one of them there; expected {self.layout}"
        )

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

    def pictures(
        self,
        key: str,  # noqa: ARG002 - all rows are alike
        files: Mapping[str, str],
        names: Sequence[str],
    ) -> Mapping[str, Value]:
        """Places, and what is made of other files; see `Preset.pictures`."""
        values: dict[str, Value] = {name: files[name] for name in names if name in files}
        if made := [name for name in names if name not in files]:
            person = decode_image(files["person"], background=(255, 255, 255)).image
            mask = _mask(files, person.size)
            if "garment_mask" in made:
                values["garment_mask"] = mask
            if "agnostic" in made:
                values["agnostic"] = hide(person, mask)
        return values


def hidden_part(labels: NDArray[np.uint8], margin: int) -> Image.Image:
    """Mark what is hidden of a person in an upper garment, mode L: 255 there, 0 elsewhere.

    It is the convex hull of garment, arms and neck, and `margin` px around: the outline alone would
    tell the garment's cut, and the arms the length of its sleeves. The head is kept, and so is what
    is worn below, but for the margin around the garment.

    Args:
        labels: [height, width], as in VITON-HD's `image-parse-v3`.
        margin: px.
    """
    near = widen(mask_of_labels(labels, _HIDDEN), margin)
    whole = widen(hull(mask_of_labels(labels, _HIDDEN)), margin)
    whole.paste(0, mask=mask_of_labels(labels, _BELOW))
    whole.paste(255, mask=near)
    whole.paste(0, mask=mask_of_labels(labels, _HEAD))
    return whole


def _mask(files: Mapping[str, str], size: Size) -> Image.Image:
    if "garment_mask" in files:
        mask = mask_of_file(files["garment_mask"])
        return check_mask_size(mask, size, "garment_mask")
    labels = read_labels(files["person_segments"], size, _GARMENT)
    return hidden_part(labels, round(_MARGIN * max(size)))


def _has(split: str, name: str) -> bool:
    return any(is_folder(f"{split}/{folder}") for folder in _FOLDERS[name])


def _stems(file: str, pair: Pair) -> Sequence[str]:
    stem = pair.garment if file in _OF_GARMENT else pair.person
    return (f"{stem}{_ENDINGS[file]}", stem) if file in _ENDINGS else (stem,)
