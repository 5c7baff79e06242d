"""The names of the layers of SDXL's original (sgm) U-Net, by which kohya's files call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_OUTER = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_BLOCK = re.compile(r"(down_blocks|up_blocks)\.(\d+)\.(\w+)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets\.0|attentions\.0|resnets\.1)\.(.+)")
_MIDDLE_PLACES = {"resnets.0": 0, "attentions.0": 1, "resnets.1": 2}
#: Where a part stands in its block; SDXL's upsamplers all follow an attention.
_PLACES = {"resnets": 0, "attentions": 1, "downsamplers": 0, "upsamplers": 2}
_INNER = {
    "resnets": {
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
    },
    "downsamplers": {"conv": "op"},
}
#: What kohya's trainer says of a file: A1111 reads the base from it.
HEADER = {
    "ss_base_model_version": "sdxl_base_v1-0",
    "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
}


def kohya_key(layer: str, config: Mapping[str, Any]) -> str | None:
    """Kohya's key of a layer: ``lora_unet_`` and its name in the original U-Net, with underscores.

    `config` are the U-Net's settings. With the two layers per block of SDXL,
    ``down_blocks.1.attentions.0.proj_in`` is ``lora_unet_input_blocks_4_1_proj_in``. A layer that
    is not one of SDXL's has none.
    """
    each = config["layers_per_block"]
    original = _OUTER.get(layer) or _middle(layer) or _outside(layer, each)
    return None if original is None else "lora_unet_" + original.replace(".", "_")


def _middle(layer: str) -> str | None:
    match = _MIDDLE.fullmatch(layer)
    if match is None:
        return None
    part, inner = match.groups()
    return _joined(f"middle_block.{_MIDDLE_PLACES[part]}", part.split(".")[0], inner)


def _outside(layer: str, layers_per_block: int) -> str | None:
    match = _BLOCK.fullmatch(layer)
    if match is None or match[3] not in _PLACES:
        return None
    side, block, part, number, inner = match.groups()
    # A block is its layers and one more: the downsampler, or on the way up a third resnet.
    index = int(block) * (layers_per_block + 1)
    index += layers_per_block if part.endswith("samplers") else int(number)
    name = f"input_blocks.{index + 1}" if side == "down_blocks" else f"output_blocks.{index}"
    return _joined(f"{name}.{_PLACES[part]}", part, inner)


def _joined(place: str, part: str, inner: str) -> str | None:
    names = _INNER.get(part)
    known = inner if names is None else names.get(inner)
    return None if known is None else f"{place}.{known}"
