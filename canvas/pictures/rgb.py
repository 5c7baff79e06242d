"""Pictures of every mode as 8-bit sRGB over a background."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from ...common.errors import RowError
from .value_range import ValueRange, grey_levels

#: Opacity, of 255, that some pixel needs: below, not even black differs much from the background.
LEAST_ALPHA = 8

#: Modes whose colours are multiplied by their opacity, and those that they are read as.
PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def to_rgb(
    image: Image.Image, background: tuple[int, int, int], value_range: ValueRange
) -> Image.Image:
    """A loaded picture as RGB; transparent parts show `background`.

    Raises:
        RowError: saying what was found, when its values do not suit the range, or when it is
            transparent everywhere (stage ``decode``).
    """
    if image.mode.startswith(("I", "F")):
        return grey_levels(image, value_range).convert("RGB")
    if value_range != "full":
        if image.mode != "L":
            found = f"has {image.mode} for pixels"
            raise RowError("decode", f"{found}; a range needs one grey value for each")
        image = grey_levels(image, value_range)
    if image.mode in PREMULTIPLIED:
        image = image.convert(PREMULTIPLIED[image.mode])
    colours = _to_srgb(_opaque(image), image.info.get("icc_profile"))
    if not image.has_transparency_data:
        return colours
    alpha = image.convert("RGBA").getchannel("A")
    if np.asarray(alpha).max() < LEAST_ALPHA:
        raise RowError("decode", "is transparent everywhere; expected something that is seen")
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(colours, mask=alpha)
    return canvas


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode in ("RGB", "L", "CMYK"):
        return image
    return image.convert("L" if image.mode in ("1", "LA") else "RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile:
        return image.convert("RGB")
    try:
        mode, transform = _icc_transform(profile)
        if mode != image.mode and (mode != "RGB" or image.mode != "L"):
            return image.convert("RGB")  # the profile speaks of another kind of image
        return transform.apply(image.convert(mode))
    except (ImageCms.PyCMSError, OSError, ValueError, KeyError, TypeError):
        return image.convert("RGB")  # most viewers ignore a broken profile, too


@lru_cache(maxsize=16)
def _icc_transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform]:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[source.profile.xcolor_space.strip()]
    target = ImageCms.createProfile("sRGB")
    return mode, ImageCms.ImageCmsTransform(
        source, ImageCms.ImageCmsProfile(target), mode, "RGB", ImageCms.Intent.PERCEPTUAL
    )
