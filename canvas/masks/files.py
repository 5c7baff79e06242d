"""A mask's file as a mask: what it marks, what is to be told about it, or why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...common.errors import RowError
from ..findings import Finding
from ..pictures.images import Size, load_values
from .choice import read_marks
from .options import ReadMask
from .reading import Unclear


@dataclass(frozen=True)
class MaskFile:
    """A mask in mode L, 255 where it marks and 0 elsewhere, and what was seen of its file."""

    mask: Image.Image
    findings: tuple[Finding, ...] = ()


def read_mask(
    value: str | bytes | Image.Image, column: str, options: ReadMask | None = None
) -> MaskFile:
    """Read a mask as its file says it, or as `options` do; `column` is its name in messages.

    Raises:
        RowError: as `images.decode_image` does; and when what the file means is not certain, or it
            marks nothing or everything (stage ``mask``).
    """
    options = options or ReadMask()
    try:
        image = load_values(value)
    except RowError as error:
        raise RowError(error.stage, f"mask {column}: {error.reason}") from error
    reading = read_marks(image, options)
    if isinstance(reading, Unclear):
        raise RowError("mask", f"mask {column} has {reading.found}; {_advice(column, reading)}")
    mask = to_mask(reading.marked)
    findings = [Finding("mask-reading", f"{column}: {reading.how}")] if reading.how else []
    if reading.is_soft:
        findings.append(Finding("mask-soft", column))
    if extent := check_extent(mask, column, options, f" ({reading.how})" if reading.how else ""):
        findings.append(Finding(f"mask-{extent}", column))
    return MaskFile(mask, tuple(findings))


def to_mask(marked: NDArray[np.bool_]) -> Image.Image:
    """Mode L, 255 where `marked`, [H, W], is true and 0 elsewhere."""
    return Image.fromarray(marked.astype(np.uint8) * np.uint8(255))


def check_mask_size(mask: Image.Image, size: Size, column: str) -> Image.Image:
    """Return the mask, if it has the `size` (width, height) in px of its image.

    Raises:
        RowError: when it has another one (stage ``mask``).
    """
    if mask.size != size:
        found, expected = (f"{width}x{height} px" for width, height in (mask.size, size))
        reason = f"mask {column} is {found} but its image is {expected}; make them the same"
        raise RowError("mask", reason)
    return mask


def extent_of(mask: Image.Image) -> Literal["empty", "full"] | None:
    """Whether a mask marks nothing or everything."""
    least, most = mask.getextrema()
    return "empty" if most == 0 else "full" if least == 255 else None


def check_extent(
    mask: Image.Image, column: str, options: ReadMask, detail: str = ""
) -> Literal["empty", "full"] | None:
    """Return the mask, unless `options` do not allow its extent; `detail` goes into the message.

    Raises:
        RowError: when they do not (stage ``mask``).
    """
    extent = extent_of(mask)
    if extent is not None and extent not in options.allow:
        marks = {"empty": "nothing", "full": "everything"}[extent]
        key = f"`masks: {{{column}: {{read: {{allow: [{extent}]}}}}}}`"
        reason = (
            f"mask {column} marks {marks}{detail}; mend it, or allow that in the recipe with {key}"
        )
        raise RowError("mask", reason)
    return extent


def _advice(column: str, unclear: Unclear) -> str:
    keys = " or ".join(_key(column, choice) for choice in unclear.choices)
    return f"say in the recipe what marks, such as {keys}, or save the mask in black and white"


def _key(column: str, option: str) -> str:
    return f"`masks: {{{column}: {{read: {{{option}}}}}}}`"
