"""Canvases as their latents say, and masks, as pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.style import Style
from rich.text import Text

from ...backbones.latents import Latents
from ...canvas.layout import Box
from ...common.errors import DatasetError
from ...dataset.info_parts import ModelInfo
from ...dataset.stored import StoredSample
from ..preview import TARGET_COLOUR, outlined

_GAP = 8
#: How much of the picture the overlay hides, of 255.
_OPACITY = 105


def decode_canvas(vae: Any, sample: StoredSample, model: ModelInfo) -> NDArray[np.uint8]:
    """The canvas that a sample's latents stand for, uint8 [H, W, 3], each panel decoded alone.

    `model` is what the dataset was made for.

    Raises:
        DatasetError: when the sample's JSON does not say where its panels lie.
    """
    import torch

    from ...dataset.decoder import decode_boxes

    names = ("factor", "scaling_factor", "shift_factor")
    scales = {name: getattr(model, name) for name in names}
    latents = Latents(channels=len(sample.latents), **scales)
    boxes = _panel_boxes(sample, latents.factor)
    canvases = torch.tensor(sample.latents[None], dtype=torch.float32)
    canvas: NDArray[np.uint8] = decode_boxes(vae, canvases, boxes, latents)[0]
    return canvas


def _panel_boxes(sample: StoredSample, factor: int) -> list[Box]:
    height, width = (side * factor for side in sample.latents.shape[1:])
    boxes = _boxes(sample, lambda found: [b for p in found["panels"].values() for b in p["boxes"]])
    for box in boxes:
        fits = box.left + box.width <= width and box.top + box.height <= height
        if not fits or min(box.left, box.top) < 0 or any(side % factor for side in box.as_list()):
            raise _no_boxes(sample)
    return boxes


def _target_boxes(sample: StoredSample) -> list[Box]:
    return _boxes(sample, lambda found: found["target_boxes"])


def _boxes(sample: StoredSample, find: Callable[[Any], list[list[int]]]) -> list[Box]:
    try:
        return [Box(*map(int, numbers)) for numbers in find(sample.metadata)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_boxes(sample) from error


def _no_boxes(sample: StoredSample) -> DatasetError:
    return DatasetError(
        f"sample {sample.key}: its JSON does not say where its panels lie; compile it again"
    )


def canvas_beside_mask(canvas: NDArray[np.uint8], sample: StoredSample) -> Image.Image:
    """A canvas, uint8 [H, W, 3], with what is learned outlined, and its mask: white is learned."""
    marked = np.minimum(sample.mask, 1)
    picture = outlined(Image.fromarray(canvas), _target_boxes(sample), marked, 1.0)
    mask = Image.fromarray(marked[0] * np.uint8(255))
    mask = mask.resize(picture.size, Image.Resampling.NEAREST)
    width, height = picture.size
    is_wide = width > height
    place = (0, height + _GAP) if is_wide else (width + _GAP, 0)
    size = (place[0] + width, place[1] + height)
    both = Image.new("RGB", size, (128, 128, 128))
    both.paste(picture, (0, 0))
    both.paste(mask, place)
    return both


def encode_overlay(mask: NDArray[np.uint8]) -> bytes:
    """A mask, uint8 [1, H, W], as a PNG of a px to a cell: a colour over the target, else clear."""
    image = Image.fromarray(np.minimum(mask[0], 1)).convert("P")
    image.putpalette([0, 0, 0, *TARGET_COLOUR])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=bytes([0, _OPACITY]), optimize=True)
    return buffer.getvalue()


def draw_in_blocks(picture: Image.Image, columns: int) -> Iterator[Text]:
    """A picture as lines of coloured half blocks for a terminal, at most `columns` wide."""
    width = min(columns, picture.width)
    height = max(2, round(picture.height * width / picture.width))
    small = np.asarray(picture.resize((width, height + height % 2), Image.Resampling.BOX))
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        yield Text.assemble(
            *(
                ("▀", Style.parse(f"{_hex(a)} on {_hex(b)}"))
                for a, b in zip(upper, lower, strict=True)
            )
        )


def _hex(colour: NDArray[np.uint8]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour.tolist())
