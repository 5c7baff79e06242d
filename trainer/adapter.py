"""The trained part of a network: an adapter on some of its layers, or all of it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..common.errors import SettingsError
from .adapter_settings import AdapterSettings

# peft is imported where it is used: it takes seconds.

_ADAPTER = "default"
_LAYERS = (nn.Linear, nn.Conv2d)


def add_adapter(network: Any, settings: AdapterSettings, seed: int) -> None:
    """Make a network trainable: a frozen base of its own dtype with float32 weights of an adapter.

    The new weights depend on the seed alone, and torch's global random state is left as it was.
    ``full`` turns the whole network to float32. A target that matches no layer is a SettingsError.
    """
    if settings.kind == "full":
        cast(network.requires_grad_(True).parameters(), torch.float32)
        return
    _check_targets(network, settings.targets or ())
    network.requires_grad_(False)
    # peft draws on the CPU, whatever the device; torch.manual_seed would seed the GPUs too.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network.add_adapter(_peft_config(settings), _ADAPTER)
    cast(trainable(network).values(), torch.float32)
    if settings.kind == "dora":
        _reset_magnitudes(network)


def cast(parameters: Iterable[nn.Parameter], dtype: torch.dtype) -> None:
    """Change the dtype of some parameters in place; diffusers' ``to(dtype)`` warns of it."""
    for parameter in parameters:
        parameter.data = parameter.data.to(dtype)


def trainable(network: Any) -> dict[str, nn.Parameter]:
    """The parameters to optimise, by name, in the network's order."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def count_parameters(network: Any) -> tuple[int, int]:
    """How many numbers are trained, and how many there are, the trained ones included."""
    everything = sum(parameter.numel() for parameter in network.parameters())
    return sum(parameter.numel() for parameter in trainable(network).values()), everything


def adapter_state(network: Any, settings: AdapterSettings) -> dict[str, Tensor]:
    """The trained weights under peft's names, or the whole network's under its own (``full``)."""
    if settings.kind == "full":
        return dict(network.state_dict())
    from peft import get_peft_model_state_dict

    state: dict[str, Tensor] = get_peft_model_state_dict(
        network, adapter_name=_ADAPTER, save_embedding_layers=False
    )
    return state


def load_adapter_state(
    network: Any, settings: AdapterSettings, state: Mapping[str, Tensor]
) -> None:
    """Put weights of `adapter_state` back; the network has an adapter of the same settings already.

    Names or shapes that are not exactly the adapter's are a SettingsError.
    """
    _check_fit(adapter_state(network, settings), state)
    if settings.kind == "full":
        network.load_state_dict(state)
        return
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(network, dict(state), adapter_name=_ADAPTER)


def peft_fields(settings: AdapterSettings) -> dict[str, Any]:
    """The settings in peft's words.

    peft's defaults are left out: other releases refuse the names that they do not know.
    """
    fields = {"r": settings.rank, "target_modules": sorted(set(settings.targets or ()))}
    if settings.kind in ("loha", "lokr"):
        return {**fields, "peft_type": settings.kind.upper(), "alpha": settings.alpha}
    return {
        **fields,
        "peft_type": "LORA",
        "lora_alpha": settings.alpha,
        "use_rslora": settings.kind == "rslora",
        "use_dora": settings.kind == "dora",
    }


def settings_of(fields: Mapping[str, Any]) -> AdapterSettings:
    """The settings that `peft_fields` put into peft's words."""
    kind = fields["peft_type"].lower()
    if kind == "lora" and fields["use_rslora"]:
        kind = "rslora"
    elif kind == "lora" and fields["use_dora"]:
        kind = "dora"
    alpha = fields["alpha" if kind in ("loha", "lokr") else "lora_alpha"]
    targets = tuple(fields["target_modules"])
    return AdapterSettings(kind=kind, rank=fields["r"], alpha=alpha, targets=targets)


def _peft_config(settings: AdapterSettings) -> Any:
    from peft import get_peft_config

    return get_peft_config(peft_fields(settings))


def _reset_magnitudes(network: Any) -> None:
    """Set DoRA's magnitudes to the base's norms, in float32.

    peft takes them in the base's dtype; those of a bfloat16 base are off by up to 0.4 %, and the
    network would not begin as the base.
    """
    from peft.tuners.lora import LoraLayer

    for layer in network.modules():
        if isinstance(layer, LoraLayer) and _ADAPTER in layer.lora_magnitude_vector:
            magnitude = layer.lora_magnitude_vector[_ADAPTER].weight
            weight = layer.get_base_layer().weight.detach().float()
            magnitude.data = torch.linalg.norm(weight.flatten(1), dim=1).view_as(magnitude)


def _check_targets(network: Any, targets: Sequence[str]) -> None:
    # peft complains only when none of the targets matches.
    modules = dict(network.named_modules())
    wrong = [target for target in targets if not _names_layers(target, modules)]
    if wrong:
        raise SettingsError("\n".join(_explain(target, modules) for target in wrong))


def _names_layers(target: str, modules: Mapping[str, nn.Module]) -> bool:
    dotted = "." + target
    found = [module for name, module in modules.items() if ("." + name).endswith(dotted)]
    return bool(found) and all(isinstance(module, _LAYERS) for module in found)


def _explain(target: str, modules: Mapping[str, nn.Module]) -> str:
    layers = [name for name, module in modules.items() if isinstance(module, _LAYERS)]
    close = difflib.get_close_matches(target, _endings(layers, target.count(".") + 2), n=1)
    ends = Counter(".".join(name.split(".")[-2:]) for name in layers if not name[-1].isdigit())
    examples = ", ".join(end for end, _ in ends.most_common(3))
    hint = f"did you mean {close[0]!r}?" if close else f"examples: {examples}"
    return f"adapter.targets: no linear or convolution layers are called {target!r}; {hint}"


def _endings(names: Sequence[str], most: int) -> list[str]:
    """The ends of dotted names, of at most so many parts, that do not begin with a number."""
    parts = [name.split(".") for name in names]
    ends = {".".join(part[-count:]) for part in parts for count in range(1, most + 1)}
    return sorted(end for end in ends if not end[0].isdigit())


def _check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    given = {name: tuple(tensor.shape) for name, tensor in found.items()}
    wrong = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
    if wrong:
        name = wrong[0]
        raise SettingsError(
            f"the saved weights are not of this adapter or network: {len(wrong)} of them "
            f"differ, such as {name}: found {given.get(name, 'none')}, expected "
            f"{wanted.get(name, 'none')}; use the settings and the model of the run that saved them"
        )
