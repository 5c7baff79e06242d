"""Small pictures of canvases, for people."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from ..canvas.layout import Box
from ..common.files import write_whole

#: px of a preview's longer side
PREVIEW_SIDE = 384
_COLUMNS, _GAP, _CAPTION, _FRAME = 3, 12, 22, 3
TARGET_COLOUR = (230, 90, 30)


def encode_preview(canvas: NDArray[np.uint8]) -> bytes:
    """A canvas, uint8 [H, W, 3], as a small WebP of at most `PREVIEW_SIDE` px."""
    image = Image.fromarray(canvas)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, method=0)
    return buffer.getvalue()


@dataclass(frozen=True)
class Preview:
    """A sample as a contact sheet shows it.

    `targets` are in px of the canvas; of them `mask`, uint8 [1, h, w] in latent cells, marks what
    is learned.
    """

    picture: bytes
    prompt: str
    targets: Sequence[Box]
    mask: NDArray[np.uint8]


def write_sheet(path: Path, previews: Sequence[Preview], canvas_width: int) -> None:
    """A contact sheet of previews, each with its prompt below and what is learned outlined."""
    images = [Image.open(io.BytesIO(preview.picture)).convert("RGB") for preview in previews]
    width, height = images[0].size
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new(
        "RGB",
        (columns * (width + _GAP) + _GAP, rows * (height + _CAPTION + _GAP) + _GAP),
        (255, 255, 255),
    )
    scale = width / canvas_width
    for number, (image, preview) in enumerate(zip(images, previews, strict=True)):
        left = _GAP + number % columns * (width + _GAP)
        top = _GAP + number // columns * (height + _CAPTION + _GAP)
        sheet.paste(outlined(image, preview.targets, preview.mask, scale), (left, top))
        ImageDraw.Draw(sheet).text(
            (left, top + height + 4),
            _shortened(preview.prompt, width),
            fill=(60, 60, 60),
            font=_font(),
        )
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def outlined(
    image: Image.Image, boxes: Sequence[Box], mask: NDArray[np.uint8], scale: float
) -> Image.Image:
    """Draw a line around what is learned, inside of it.

    Args:
        image: a canvas, `scale` times as large as it is; it is drawn on.
        boxes: of the targets, in px of the canvas.
        mask: the mask m, uint8 [1, h, w] in latent cells.
        scale: of the image.
    """
    cell = image.width / scale / mask.shape[-1]
    for box in boxes:
        corners = [box.left, box.top, box.left + box.width, box.top + box.height]
        left, top, right, bottom = (round(value * scale) for value in corners)
        size = max(1, right - left), max(1, bottom - top)
        rows, columns = box.divided(round(cell)).slices
        learned = Image.fromarray(mask[0, rows, columns] * np.uint8(255))
        learned = learned.resize(size, Image.Resampling.NEAREST)
        # What lies outside of the target is not learned, so that its border is an edge, too.
        inner = ImageOps.expand(learned, _FRAME).filter(ImageFilter.MinFilter(2 * _FRAME + 1))
        edge = ImageChops.subtract(learned, ImageOps.crop(inner, _FRAME))
        image.paste(TARGET_COLOUR, (left, top), edge)
    return image


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(12)


def _shortened(text: str, width: int) -> str:
    """A text in one line of at most `width` px, cut with an ellipsis (alone, if need be)."""
    font, line = _font(), " ".join(text.split())
    if len(line) <= width and font.getlength(line) <= width:
        return line
    # Hardly a character is narrower than a px: prompts can be books, and measuring takes long.
    line = line[:width]
    while line and font.getlength(line + "…") > width:
        line = line[:-1].rstrip()
    return line + "…"
