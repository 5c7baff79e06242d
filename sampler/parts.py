"""The parts of a pipeline, which depend on the kind of model, as diffusers asks for them."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any

from diffusers import DiffusionPipeline

from ..backbones.backbone import Backbone

#: Options of `from_pretrained` that say from where settings are fetched.
FETCHING = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "proxies",
    "revision",
    "subfolder",
    "token",
)


def offload_order(backbone: Backbone) -> str:
    """In which order diffusers moves parts to the GPU and back, where it is to save memory."""
    encoders = [part.folder for part in backbone.encoders if part.has_weights]
    return "->".join([*encoders, backbone.network.folder, backbone.vae.folder])


def declare_parts(pipeline: type[DiffusionPipeline], backbone: Backbone) -> None:
    """Say in the signature of a pipeline what it is made of: diffusers reads it there."""
    parts = (backbone.vae, *backbone.encoders, backbone.network)
    kinds = {part.folder: part.load_class() for part in parts} | {"scheduler": Any}
    kind = Parameter.POSITIONAL_OR_KEYWORD
    init: Any = pipeline.__init__
    init.__annotations__ = {**kinds, **{name: type(v) for name, v in backbone.options.items()}}
    init.__signature__ = Signature(
        [
            Parameter("self", kind),
            *(Parameter(name, kind) for name in kinds),
            *(Parameter(name, kind, default=v) for name, v in backbone.options.items()),
        ]
    )
