"""Several pictures as one, to be looked at together."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image

_GAP = 8


def contact_sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size in a grid about as wide as it is high, on white."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = pictures[0].size
    sheet = Image.new(
        "RGB", (columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP), "white"
    )
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        sheet.paste(picture, (column * (width + _GAP), row * (height + _GAP)))
    return sheet
