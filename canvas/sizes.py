"""Panel sizes: what suits the model, and what the VAE can encode."""

from __future__ import annotations

import math

#: Panels sized by `auto` have sides that are multiples of this, so that their latents suit networks
#: that halve them several times, and their canvases fall into the buckets of common training sets.
STEP = 64


def auto_panel_size(rows: int, columns: int, native_area: int) -> tuple[int, int]:
    """Width and height in px of a square panel whose canvas comes closest to the native area.

    With 1024 x 1024 px: 512 for 2 x 2, 704 for 1 x 2, 576 for 1 x 3.
    """
    side = math.sqrt(native_area / (rows * columns))
    rounded = max(STEP, round(side / STEP) * STEP)
    return rounded, rounded


def check_panel_size(width: int, height: int, factor: int) -> None:
    """Refuse sides that the VAE cannot encode exactly.

    Raises:
        ValueError: proposing the nearest size whose sides are multiples of `factor`.
    """
    if width % factor or height % factor:
        nearest = " x ".join(
            str(max(factor, round(side / factor) * factor)) for side in (width, height)
        )
        raise ValueError(
            f"panel size {width} x {height} px is not a multiple of the VAE's factor {factor}; "
            f"the nearest that is: {nearest}"
        )


def parse_size(text: str) -> tuple[int, int] | None:
    """``512x384`` as width and height; None for anything else."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        return None
    return int(width), int(height)


#: Pixels that go through the VAE at once: 16 panels of 256 x 256 or 4 of 512 x 512. It fixes how
#: batches are cut, so that the bytes of a dataset follow from its plan alone.
BATCH_PIXELS = 2**20


def batch_size(width: int, height: int) -> int:
    """Panels of this size in px that are encoded together."""
    return max(1, BATCH_PIXELS // (width * height))
