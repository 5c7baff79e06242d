"""A target that a mask narrows: what is learned of its panel, and what is seen around it.

Convolutions and the attention of a VAE carry pixels far from where they are. So such a panel is
encoded twice: whole, for the cells that are learned, and with the hidden pixels erased, for the
cells around them, which are context. What the context holds does not depend on what is hidden.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .layout import cells_touched

#: What stands in for hidden pixels, in red, green, blue: the grey in the middle.
HIDDEN = (127, 127, 127)


def erase_hidden(panel: NDArray[np.uint8], narrowed: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A panel, uint8 [height, width, 3], with `HIDDEN` where `narrowed`, [height, width], is true.

    The other pixels stay exactly as they are.
    """
    return np.where(narrowed[..., None], np.array(HIDDEN, np.uint8), panel)


def join_latents(
    whole: NDArray[np.float16],
    erased: NDArray[np.float16],
    narrowed: NDArray[np.bool_],
    factor: int,
) -> NDArray[np.float16]:
    """The latents [C, h, w] of a narrowed panel, from those of both of its pictures.

    `whole` are taken in each cell of `factor` x `factor` px that `narrowed` touches, which are the
    cells of the mask m, and `erased` in all others.
    """
    return np.where(cells_touched(narrowed, factor), whole, erased)
