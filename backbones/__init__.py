"""Models: how one is recognised, what its parts do, and how noise is added for it.

- `backbone`: all in which one model differs from another, as a value; `known` lists the values.
- `model`: a model's folder, found by name and read; `weights`: networks from it, whole or not at
  all.
- `latents`: panels become latents, and pixels again.
- `texts`: what prompts become.
- `process`: how noise is added; `ddpm` and `flow` are the two kinds.
- `sampling`: how it is taken away again, with which schedulers.
- `sdxl`: Stable Diffusion XL.

No other room knows a model by name. One of your own is registered before anything is compiled:

    from onepic.backbones import Backbone, register
"""

from __future__ import annotations

from .backbone import Backbone, Component, KohyaNames
from .known import BACKBONES, register

__all__ = ["BACKBONES", "Backbone", "Component", "KohyaNames", "register"]
