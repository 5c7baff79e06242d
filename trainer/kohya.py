"""A LoRA under the names of kohya's sd-scripts, which ComfyUI, A1111 and Forge load.

The names are those of SDXL's original (sgm) U-Net. There is no DoRA among them: sd-scripts does not
have it, and the programs that load LyCORIS' form of it apply it each in its own way, none as peft
trains it (ComfyUI's pull request 15458, LyCORIS' issue 216; diffusers drops the magnitudes).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..common.errors import SettingsError
from ..common.files import write_whole
from .adapter import adapter_state
from .adapter_settings import AdapterSettings
from .export import to_safetensors

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

_KINDS = ("lora", "rslora")
_WEIGHTS = {"A.weight": "lora_down.weight", "B.weight": "lora_up.weight"}
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


def write_kohya(
    path: Path,
    unet: UNet2DConditionModel,
    settings: AdapterSettings,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the trained adapter to one file, with what kohya's header says and `metadata` besides.

    The weights stay float32, so that the file gives the very results of the main one.
    """
    state = to_kohya(adapter_state(unet, settings), settings, unet.config.layers_per_block)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, to_safetensors(state, {**_header(settings), **(metadata or {})}))


def check_has_names(settings: AdapterSettings) -> None:
    """Refuse a kind of adapter for which kohya has no names.

    Raises:
        SettingsError: naming those for which it has.
    """
    if settings.kind not in _KINDS:
        raise SettingsError(
            f"--export kohya: adapter.kind={settings.kind} has no such naming; it exists for "
            f"{' and '.join(_KINDS)}"
        )


def to_kohya(
    state: Mapping[str, Tensor], settings: AdapterSettings, layers_per_block: int
) -> dict[str, Tensor]:
    """Weights of `adapter_state` under kohya's names, on the CPU in float32.

    A kind or a layer for which kohya has no names is a SettingsError.
    """
    check_has_names(settings)
    alpha = torch.tensor(_alpha(settings))
    renamed = {}
    for name, tensor in state.items():
        layer, _, weight = name.rpartition(".lora_")
        key = kohya_key(layer, layers_per_block)
        renamed[f"{key}.alpha"] = alpha.clone()
        plain = tensor.detach().to("cpu", torch.float32).contiguous()
        renamed[f"{key}.{_WEIGHTS[weight]}"] = plain
    return renamed


def kohya_key(layer: str, layers_per_block: int) -> str:
    """Kohya's key of a layer: ``lora_unet_`` and its name in the original U-Net, with underscores.

    With the two layers per block of SDXL, ``down_blocks.1.attentions.0.proj_in`` is
    ``lora_unet_input_blocks_4_1_proj_in``.
    """
    original = _OUTER.get(layer) or _middle(layer) or _outside(layer, layers_per_block)
    if original is None:
        raise SettingsError(
            f"kohya naming does not exist for the layer {layer}: it is not one of SDXL's; leave "
            "the kohya file out, or take the layer out of adapter.targets"
        )
    return "lora_unet_" + original.replace(".", "_")


def _alpha(settings: AdapterSettings) -> float:
    """The alpha whose quotient by the rank is the scale that was trained."""
    root = math.sqrt(settings.rank) if settings.kind == "rslora" else 1.0
    return settings.alpha * root


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


def _header(settings: AdapterSettings) -> dict[str, str]:
    """What kohya's trainer says of a file: A1111 reads the base from it and shows the rest."""
    return {
        "ss_network_module": "networks.lora",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_network_dim": str(settings.rank),
        "ss_network_alpha": str(_alpha(settings)),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    }
