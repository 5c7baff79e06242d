"""Names that are no data in a folder of images, as systems and training tools leave them."""

from __future__ import annotations

from ...tables.places import IMAGE_SUFFIXES

#: Folders in which systems and tools keep copies and what was deleted, in lower case.
_NO_DATA = frozenset(
    {
        *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot"),  # storage boxes
        *("$recycle.bin", "recycler", "recycled", "system volume information"),  # Windows
        *("__macosx", "lost+found", "__pycache__"),
    }
)
_IMAGES = frozenset(IMAGE_SUFFIXES)
#: How OneTrainer calls the mask of an image, and its control.
_OF_ANOTHER = ("-masklabel", "-condlabel")


def is_left_out(folder: str) -> bool:
    """Whether a folder of this name holds no data: hidden, thumbnails, or a bin for the deleted."""
    return folder.startswith(".") or folder.lower() in _NO_DATA


def is_of_another(stem: str) -> bool:
    """Whether a name without its suffix says that it is a training tool's mask of another image."""
    return stem.endswith(_OF_ANOTHER)


def is_image(path: str) -> bool:
    """Whether a file is an image by its suffix, and not `is_of_another`."""
    stem, _, suffix = path.rpartition(".")
    return (suffix in _IMAGES or suffix.lower() in _IMAGES) and not stem.endswith(_OF_ANOTHER)
