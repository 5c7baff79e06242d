"""Which values of a grey file are black and white: for more than 8 bits, and for floats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BeforeValidator, WithJsonSchema

from ...common.errors import RowError

#: Levels of 256 that a picture of a deeper file shows at least, unless its file holds no more.
ENOUGH_LEVELS = 16
#: Levels that lie between its darkest and its lightest one at least.
ENOUGH_SPAN = 32
_FULL = (0, 65535)


def _read_range(value: object) -> object:
    if value in ("full", "minmax"):
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        numbers = [v for v in value if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) == 2 and np.isfinite(numbers).all() and numbers[0] != numbers[1]:
            return float(numbers[0]), float(numbers[1])
    raise ValueError(
        f"{value!r}; expected full, minmax, or two different numbers: the value of the file that "
        "becomes black and the one that becomes white, such as [0, 10000]"
    )


#: ``full``: all that the file's kind can hold; ``minmax``: the least and the greatest value that
#: it does hold; or the values that become black and white.
ValueRange = Annotated[
    Literal["full", "minmax"] | tuple[float, float],
    BeforeValidator(_read_range),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["full", "minmax"]},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]


def grey_levels(image: Image.Image, value_range: ValueRange) -> Image.Image:
    """A grey image of 8, 16 or 32 bits or of floats as 8-bit grey (mode L).

    Values beyond the range become black or white.

    Raises:
        RowError: saying what was found, when the values do not suit the range (stage ``decode``).
    """
    values = np.asarray(image)
    black, white = _ends(values, value_range)
    if (black, white) == _FULL and values.dtype.kind in "iu":
        return Image.fromarray(((values.astype(np.int64) + 128) // 257).astype(np.uint8))
    shares = (values.astype(np.float64) - black) / (white - black)
    return Image.fromarray(np.rint(shares.clip(0, 1) * 255).astype(np.uint8))


def is_deep(image: Image.Image) -> bool:
    """Whether a file that was opened and not loaded has more than 8 bits for a value."""
    if image.mode.startswith(("I", "F")):
        return True
    codings = (tile[3] for tile in getattr(image, "tile", None) or [])
    return any(";16" in str(c[0] if isinstance(c, tuple) and c else c) for c in codings)


def has_few_levels(picture: Image.Image, deep: Image.Image) -> bool:
    """Whether an RGB picture shows too little of the deeper image that it was made from."""
    shown = np.flatnonzero(np.reshape(picture.histogram(), (3, 256)).sum(axis=0))
    if shown[-1] - shown[0] < ENOUGH_SPAN:
        return True
    if len(shown) >= ENOUGH_LEVELS:
        return False
    return not deep.mode.startswith(("I", "F")) or len(np.unique(np.asarray(deep))) > len(shown)


def _ends(values: NDArray[Any], value_range: ValueRange) -> tuple[float, float]:
    """The values that become black and white."""
    unknown = int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0
    if unknown:
        raise RowError(
            "decode", f"has {unknown} pixels without a number (NaN); fill them in the file"
        )
    if isinstance(value_range, tuple):
        return value_range
    least, most = float(values.min()), float(values.max())
    remedy = "choose its range, such as `range: minmax` or `range: [0, 10000]`"
    if value_range == "full":
        if values.dtype.kind == "f":
            found = f"has floats for pixels, {least:g} to {most:g}"
            raise RowError("decode", f"{found}; {remedy}")
        if least < _FULL[0] or most > _FULL[1]:
            found = f"has grey values from {least:.0f} to {most:.0f}, not 0 to {_FULL[1]}"
            raise RowError("decode", f"{found}; {remedy}")
        return _FULL
    if not least < most or not np.isfinite([least, most]).all():
        found = f"has values from {least:g} to {most:g}"
        raise RowError("decode", f"{found}; `range: minmax` needs two that are finite and differ")
    return least, most
