"""Operations that take detail away: the sources of restoration tasks."""

from __future__ import annotations

import io
from typing import ClassVar, Literal

import numpy as np
from PIL import Image, ImageFilter
from pydantic import Field

from .base import Operation, Picture
from .registry import register

_SAMPLING = {"area": Image.Resampling.BOX, "bicubic": Image.Resampling.BICUBIC}


@register
class Blur(Operation):
    """A Gaussian blur."""

    name: ClassVar[str] = "blur"

    radius: float = Field(
        default=4.0, gt=0, le=500, description="Standard deviation of the Gaussian, in px."
    )

    def apply(self, picture: Picture) -> Picture:
        """Blur the image; masks stay as they are."""
        return picture.with_image(picture.image.filter(ImageFilter.GaussianBlur(self.radius)))


@register
class Downsample(Operation):
    """Lose resolution but not size: shrink, then enlarge again (what super-resolution undoes)."""

    name: ClassVar[str] = "downsample"

    factor: float = Field(default=4.0, gt=1, le=64, description="Factor by which a side is shrunk.")
    resample: Literal["area", "bicubic"] = Field(
        default="area", description="Way of shrinking; enlarging is always bicubic."
    )

    def apply(self, picture: Picture) -> Picture:
        """Shrink to a size rounded to whole pixels, and enlarge to the size before."""
        image = picture.image
        width, height = (max(1, round(side / self.factor)) for side in image.size)
        small = image.resize((width, height), _SAMPLING[self.resample])
        return picture.with_image(small.resize(image.size, Image.Resampling.BICUBIC))


@register
class Noise(Operation):
    """Gaussian noise, independent for each pixel and channel, the same in every run."""

    name: ClassVar[str] = "noise"

    sigma: float = Field(
        default=25.0, gt=0, le=255, description="Standard deviation of the noise, in 8-bit steps."
    )

    def apply(self, picture: Picture) -> Picture:
        """Add noise drawn from the picture's own generator, and clip to 0..255."""
        pixels = np.asarray(picture.image, dtype=np.float32)  # [height, width, 3]
        noise = picture.rng().standard_normal(pixels.shape, dtype=np.float32) * self.sigma
        noisy = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
        return picture.with_image(Image.fromarray(noisy))


@register
class Jpeg(Operation):
    """The artefacts of JPEG compression (with halved chroma, as cameras and the web use)."""

    name: ClassVar[str] = "jpeg"

    quality: int = Field(
        default=20, ge=1, le=95, description="Quality of libjpeg: 1 is worst, 95 is best."
    )

    def apply(self, picture: Picture) -> Picture:
        """Encode and decode the image."""
        file = io.BytesIO()
        picture.image.save(file, "JPEG", quality=self.quality, subsampling="4:2:0")
        with Image.open(file, formats=("JPEG",)) as image:
            return picture.with_image(image.convert("RGB"))
