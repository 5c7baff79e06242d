"""The operation: options that a recipe sets, and a function from picture to picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from ...common.errors import OnepicError, RowError
from ...common.named import Named


@dataclass(frozen=True)
class Picture:
    """An image on its way to becoming a panel, with the masks that belong to it.

    `image` is RGB; each of `masks` (by column name) is mode L, 0 or 255, and of the image's size.
    `seed` follows from the recipe's seed, the row's key and the panel: nothing else is random.
    `nearest` says that it is scaled without mixing colours, as a map of labels.
    """

    image: Image.Image
    masks: Mapping[str, Image.Image] = field(default_factory=dict)
    seed: int = 0
    nearest: bool = False

    def with_image(self, image: Image.Image) -> Picture:
        """Copy the picture with other pixels (of the same size)."""
        return replace(self, image=image)

    def map(self, change: Callable[[Image.Image], Image.Image]) -> Picture:
        """Apply one change of geometry to the image and to all masks."""
        masks = {name: change(mask) for name, mask in self.masks.items()}
        return replace(self, image=change(self.image), masks=masks)

    def rng(self) -> np.random.Generator:
        """A fresh generator that gives the same numbers for the same picture, on every machine."""
        return np.random.default_rng(self.seed)


class Operation(Named):
    """A step in a panel's ``apply``; its fields are the options a recipe may set.

    A subclass sets `name` (as recipes write it), raises `version` whenever the same options give
    other pixels, and defines `apply`, or `apply_batch` where many pictures at once are faster.
    """

    version: ClassVar[int] = 1
    #: "geometry" runs on the original pixels before the panel is cut to its size and may change
    #: the size; "pixels" runs at the panel's final resolution and must keep it.
    stage: ClassVar[Literal["geometry", "pixels"]] = "pixels"

    def mask_columns(self) -> tuple[str, ...]:
        """The mask columns that the operation reads from `Picture.masks`."""
        return ()

    def model_references(self) -> tuple[str, ...]:
        """Hub ids or folders of the models that the operation loads, for the fingerprint."""
        return ()

    def apply(self, picture: Picture) -> Picture:
        """Change one picture.

        Raises:
            RowError: when this picture cannot be processed (stage ``operation``).
        """
        raise NotImplementedError

    def apply_batch(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Change several pictures, which may differ in size; one by one unless overridden.

        Raises:
            RowError: when any of the pictures cannot be processed; `apply` then says which.
        """
        return [self.apply(picture) for picture in pictures]


@contextmanager
def failing_one_row(operation: str) -> Iterator[None]:
    """Turn whatever third-party code raises for a picture into an error of its row.

    Raises:
        RowError: with the operation's name and what was raised (stage ``operation``).
    """
    try:
        yield
    except OnepicError:
        raise
    except Exception as error:
        reason = f"{operation} failed: {type(error).__name__}: {error}"
        raise RowError("operation", reason) from error
