"""The optimizer, its learning rate, and its state as plain tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from diffusers.optimization import get_scheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ..common.errors import SettingsError
from .settings import Settings


def make_optimizer(parameters: Iterable[nn.Parameter], settings: Settings) -> Optimizer:
    """AdamW in one kernel, or bitsandbytes' with 8-bit state.

    Raises:
        SettingsError: when bitsandbytes is asked for and not there.
    """
    options: dict[str, Any] = {
        "lr": settings.learning_rate,
        "betas": settings.betas,
        "weight_decay": settings.weight_decay,
    }
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, fused=True, **options)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise SettingsError(
            f"optimizer: adamw-8bit needs bitsandbytes ({error}); pip install bitsandbytes, or "
            "use adamw"
        ) from error
    optimizer: Optimizer = AdamW8bit(parameters, **options)
    return optimizer


def make_schedule(optimizer: Optimizer, settings: Settings) -> LRScheduler:
    """The learning rate over the steps of the run: a warm-up and one of diffusers' schedules."""
    name: str = settings.schedule
    if name == "constant" and settings.warmup:
        name = "constant_with_warmup"
    schedule: LRScheduler = get_scheduler(
        name, optimizer, num_warmup_steps=settings.warmup, num_training_steps=settings.steps
    )
    return schedule


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's state: ``NUMBER.NAME`` for each parameter's tensors and whole numbers.

    bitsandbytes wraps its tensors in a dict of their own, and its parameters share tables: those
    are copied, since a safetensors file holds no tensor twice.
    """
    found: dict[str, Tensor] = {}
    shared: set[int] = set()
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in _unwrapped(values).items():
            tensor = value if isinstance(value, Tensor) else torch.tensor(value)
            found[f"{number}.{name}"] = tensor.clone() if tensor.data_ptr() in shared else tensor
            shared.add(tensor.data_ptr())
    return found


def load_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`; learning rates and the like stay as they are."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        # What counts steps is a float tensor in torch's optimizers, an int in bitsandbytes'.
        whole = value.dim() == 0 and value.dtype == torch.int64
        state.setdefault(int(number), {})[name] = value.item() if whole else value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _unwrapped(values: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's state, with what is in a dict of its own beside the rest."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
