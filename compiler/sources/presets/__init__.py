"""Published datasets as they come: point at the unpacked download, and name its columns.

`files` finds what the layout of a download should have, `preset` makes rows of it, `pictures` makes
the masks that are not there as files. Each dataset has a module of its own: `dreambench`,
`magicbrush`, and for try-on `dresscode` and `viton_hd`, which share `try_on`.
"""

from __future__ import annotations

from .dreambench import DreamBenchSource
from .dresscode import DressCodeSource
from .magicbrush import MagicBrushSource
from .viton_hd import VitonHDSource

__all__ = ["DreamBenchSource", "DressCodeSource", "MagicBrushSource", "VitonHDSource"]
