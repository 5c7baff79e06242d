"""A LoRA under the names of kohya's sd-scripts, which ComfyUI, A1111 and Forge load.

There is no DoRA among them: sd-scripts does not have it, and the programs that load LyCORIS' form
of it apply it each in its own way, none as peft trains it (ComfyUI's pull request 15458, LyCORIS'
issue 216; diffusers drops the magnitudes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..backbones.backbone import Backbone, KohyaNames
from ..common.errors import SettingsError
from ..common.files import write_whole
from .adapter import adapter_state
from .adapter_settings import AdapterSettings
from .export import to_safetensors

_KINDS = ("lora", "rslora")
_WEIGHTS = {"A.weight": "lora_down.weight", "B.weight": "lora_up.weight"}


def write_kohya(
    path: Path,
    network: Any,
    settings: AdapterSettings,
    backbone: Backbone,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the trained adapter to one file, with what kohya's header says and `metadata` besides.

    The weights stay float32, so that the file gives the very results of the main one.

    Raises:
        SettingsError: when kohya has no names for this model, kind of adapter, or layer.
    """
    names = names_of(backbone)
    state = to_kohya(adapter_state(network, settings), settings, names, network.config)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {**_header(settings), **names.header, **(metadata or {})}
    write_whole(path, to_safetensors(state, header))


def names_of(backbone: Backbone) -> KohyaNames:
    """Kohya's names for a kind of model.

    Raises:
        SettingsError: when there are none.
    """
    if backbone.kohya is None:
        raise SettingsError(
            f"--export kohya: there is no such naming for {backbone.title}; leave it out"
        )
    return backbone.kohya


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
    state: Mapping[str, Tensor],
    settings: AdapterSettings,
    names: KohyaNames,
    config: Mapping[str, Any],
) -> dict[str, Tensor]:
    """Weights of `adapter_state` under kohya's names, on the CPU in float32.

    `config` are the network's settings.

    Raises:
        SettingsError: for a kind or a layer for which kohya has no names.
    """
    check_has_names(settings)
    alpha = torch.tensor(_alpha(settings))
    renamed = {}
    for name, tensor in state.items():
        layer, _, weight = name.rpartition(".lora_")
        key = names.key(layer, config)
        if key is None:
            raise SettingsError(
                f"kohya naming does not exist for the layer {layer}: it is not one of the original "
                "network's; leave the kohya file out, or take the layer out of adapter.targets"
            )
        renamed[f"{key}.alpha"] = alpha.clone()
        plain = tensor.detach().to("cpu", torch.float32).contiguous()
        renamed[f"{key}.{_WEIGHTS[weight]}"] = plain
    return renamed


def _alpha(settings: AdapterSettings) -> float:
    """The alpha whose quotient by the rank is the scale that was trained."""
    root = math.sqrt(settings.rank) if settings.kind == "rslora" else 1.0
    return settings.alpha * root


def _header(settings: AdapterSettings) -> dict[str, str]:
    """What kohya's trainer says of a file, whatever the model; A1111 shows it."""
    return {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(settings.rank),
        "ss_network_alpha": str(_alpha(settings)),
        "modelspec.sai_model_spec": "1.0.0",
    }
