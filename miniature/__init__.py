"""The miniature: an SDXL pipeline in small that comes with onepic, so that everything runs.

`path` is its folder. The other modules are the scripts that made it, in their order:

- `augment`, `low_pass`, `train_vae`: the VAE, what it learns from, and where it starts.
- `captions`, `make_text`: tokenizers, and text encoders before their training.
- `pictures`, `sheets`, `train_pipeline`: the U-Net and the text encoders.
- `demo`: what `make demo` ends with.
"""

from __future__ import annotations

from pathlib import Path


def path() -> Path:
    """The diffusers folder of the miniature, to be used wherever a model is named."""
    return Path(__file__).parent / "sdxl"
