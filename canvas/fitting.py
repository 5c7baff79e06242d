"""How an image is cut or scaled to the size of a panel."""

from __future__ import annotations

from typing import Literal

from PIL import Image

from .pictures.images import RGB, Size, threshold

Fit = Literal["cover", "contain", "stretch"]


def of_one_shape(first: Size, second: Size) -> bool:
    """Whether two sizes differ in scale only, by no more than a pixel of the smaller one."""
    smaller, larger = sorted([first, second])
    return abs(larger[1] * smaller[0] / larger[0] - smaller[1]) <= 1


def crop_box(image_size: Size, panel_size: Size, fit: Fit) -> tuple[float, float, float, float]:
    """The part (left, top, right, bottom) of an image that a panel shows, in px of the image.

    ``cover`` shows the largest centred part of the panel's aspect; ``contain`` and ``stretch`` show
    everything. Only sizes decide, so images of one size are cut alike.
    """
    (width, height), (panel_width, panel_height) = image_size, panel_size
    if fit != "cover":
        return (0.0, 0.0, float(width), float(height))
    # At most one of the two is positive: the side that is too long for the panel's aspect.
    left = max(0.0, (width - height * panel_width / panel_height) / 2)
    top = max(0.0, (height - width * panel_height / panel_width) / 2)
    return (left, top, width - left, height - top)


def panel_box(image_size: Size, panel_size: Size, fit: Fit) -> tuple[int, int, int, int]:
    """The part (left, top, right, bottom) of a panel that the image fills, in px of the panel.

    It is the whole panel except with ``contain``, where background stays on two sides.
    """
    (width, height), (panel_width, panel_height) = image_size, panel_size
    if fit != "contain":
        return (0, 0, panel_width, panel_height)
    scale = min(panel_width / width, panel_height / height)
    inner_width = min(panel_width, max(1, round(width * scale)))
    inner_height = min(panel_height, max(1, round(height * scale)))
    left, top = (panel_width - inner_width) // 2, (panel_height - inner_height) // 2
    return (left, top, left + inner_width, top + inner_height)


def fit_image(
    image: Image.Image, panel_size: Size, *, fit: Fit, background: RGB, nearest: bool = False
) -> Image.Image:
    """An RGB image as a panel of exactly `panel_size` px; scaled as `resize` says."""
    return _fit(image, panel_size, fit, background, nearest)


def fit_mask(mask: Image.Image, panel_size: Size, *, fit: Fit) -> Image.Image:
    """A mask (mode L) as a panel of exactly `panel_size` px: 0 or 255, and 0 in the background."""
    return _fit(mask, panel_size, fit, 0)


def resize(
    image: Image.Image,
    size: Size,
    box: tuple[float, float, float, float] | None = None,
    *,
    nearest: bool = False,
) -> Image.Image:
    """Scale `box` (everything by default) of an RGB image, or of a mask (mode L), to `size` px.

    A pixel of a mask is set where at least half of its area was. With `nearest`, each pixel of an
    RGB image is the one that lies nearest, so that there are no colours that it had not.
    """
    if image.mode == "L":
        return threshold(image.resize(size, Image.Resampling.BOX, box=box))
    return image.resize(
        size, Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS, box=box
    )


def _fit(
    image: Image.Image, panel_size: Size, fit: Fit, background: RGB | int, nearest: bool = False
) -> Image.Image:
    left, top, right, bottom = panel_box(image.size, panel_size, fit)
    box = crop_box(image.size, panel_size, fit)
    inner = resize(image, (right - left, bottom - top), box, nearest=nearest)
    if inner.size == panel_size:
        return inner
    panel = Image.new(image.mode, panel_size, background)
    panel.paste(inner, (left, top))
    return panel
