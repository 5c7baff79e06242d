"""Trained weights, in the files that others' libraries load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ..common.errors import ModelError
from ..common.files import to_json, whole_folder, write_whole
from .adapter import (
    adapter_state,
    add_adapter,
    cast,
    load_adapter_state,
    peft_fields,
    settings_of,
)
from .adapter_files import DIFFUSERS_WEIGHTS, NETWORK_WEIGHTS, PEFT_CONFIG, PEFT_WEIGHTS
from .adapter_settings import AdapterSettings
from .unscaled import with_scale_inside

#: diffusers' name; its own constant lives where its pipelines are imported.
_DIFFUSERS_METADATA = "lora_adapter_metadata"
_PEFT_PREFIX = "base_model.model."


def write_adapter(folder: Path, network: Any, settings: AdapterSettings, part: str) -> Path:
    """Write the trained weights in float32, whole or not at all, and give the path to them.

    They have alpha in them, and say that the scale is 1: see `unscaled`. `part` is what pipelines
    call the network, with which the names of weights begin.

    What stock libraries then need to load them:

    - ``lora``, ``rslora``, ``dora``: ``pipe.load_lora_weights(folder)``
    - ``lokr``: the network's ``load_lora_adapter(folder, weight_name=DIFFUSERS_WEIGHTS,
      prefix=part)``; ``load_lora_weights`` refuses names without "lora"
    - ``loha``, which diffusers does not read: ``peft.PeftModel.from_pretrained(network, folder)``
    - ``full``: the network's class, with ``from_pretrained(folder, subfolder=part)``
    """
    folder.mkdir(parents=True, exist_ok=True)
    if settings.kind == "full":
        return _write_network(folder / part, network)
    state = {name: _plain(tensor) for name, tensor in adapter_state(network, settings).items()}
    state, told = with_scale_inside(state, settings)
    if settings.kind == "loha":
        return _write_peft(folder, state, peft_fields(told))
    return _write_diffusers(folder, state, peft_fields(told), f"{part}.")


def load_trained(network: Any, folder: Path, part: str) -> None:
    """Put what `write_adapter` left into a fresh network of the same base, ready to sample.

    The weights take the network's dtype and device; `part` is what pipelines call it. A ModelError
    says that there are none, or that they are damaged; a SettingsError, that they are of another
    network.
    """
    try:
        settings, state = _read(folder, part)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"{folder}: the trained weights cannot be read: {error}") from error
    dtype = next(network.parameters()).dtype
    if settings.kind != "full":
        add_adapter(network, settings, seed=0)
    load_adapter_state(network, settings, state)
    # requires_grad stays as diffusers leaves it: torch chooses convolutions on the CPU by it, and
    # frozen weights would give results that differ from stock diffusers' in the last bits.
    cast(network.parameters(), dtype)


def to_safetensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file with its metadata in a fixed order, so that equal data give equal files.

    The library's own writer puts them in another order each time.
    """
    data: bytes = save(dict(tensors))
    size = int.from_bytes(data[:8], "little")
    header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(data[8 : 8 + size])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32).contiguous()


def _write_diffusers(
    folder: Path, state: Mapping[str, Tensor], fields: Mapping[str, Any], prefix: str
) -> Path:
    prefixed = {prefix + name: value for name, value in fields.items()}
    metadata = {
        "format": "pt",
        _DIFFUSERS_METADATA: json.dumps(prefixed, indent=2, sort_keys=True),
    }
    path = folder / DIFFUSERS_WEIGHTS
    named = {prefix + name: value for name, value in state.items()}
    write_whole(path, to_safetensors(named, metadata))
    return path


def _write_peft(folder: Path, state: Mapping[str, Tensor], fields: Mapping[str, Any]) -> Path:
    write_whole(folder / PEFT_CONFIG, to_json(dict(fields)))
    path = folder / PEFT_WEIGHTS
    named = {_PEFT_PREFIX + name: value for name, value in state.items()}
    write_whole(path, to_safetensors(named, {"format": "pt"}))
    return path


def _write_network(final: Path, network: Any) -> Path:
    with whole_folder(final) as new:
        # One file whatever its size: diffusers' limit for a shard is 10 GB.
        network.save_pretrained(new, max_shard_size="1TB")
    return final


def _read(folder: Path, part: str) -> tuple[AdapterSettings, dict[str, Tensor]]:
    if (folder / DIFFUSERS_WEIGHTS).exists():
        return _read_diffusers(folder / DIFFUSERS_WEIGHTS, f"{part}.")
    if (folder / PEFT_WEIGHTS).exists():
        fields = json.loads((folder / PEFT_CONFIG).read_text())
        return settings_of(fields), _without(_PEFT_PREFIX, load_file(folder / PEFT_WEIGHTS))
    if (folder / part / NETWORK_WEIGHTS).exists():
        return AdapterSettings(kind="full"), load_file(folder / part / NETWORK_WEIGHTS)
    raise ModelError(
        f"{folder} holds no trained weights: expected {DIFFUSERS_WEIGHTS}, {PEFT_WEIGHTS} or "
        f"{part}/{NETWORK_WEIGHTS}; give the folder that a run of the trainer wrote"
    )


def _read_diffusers(path: Path, prefix: str) -> tuple[AdapterSettings, dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        fields = (file.metadata() or {}).get(_DIFFUSERS_METADATA)
    if fields is None:
        raise ModelError(
            f"{path} does not say its rank and alpha: its header has no {_DIFFUSERS_METADATA}, "
            "which the trainer writes; load it with diffusers instead"
        )
    return settings_of(_without(prefix, json.loads(fields))), _without(prefix, load_file(path))


def _without(prefix: str, named: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in named.items()}
