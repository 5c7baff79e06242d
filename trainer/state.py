"""The state of training: the weights, their average, the optimizer, and the step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from .checkpoint import Checkpoint
from .optimizer import load_optimizer, optimizer_tensors


@dataclass
class State:
    """A run between two steps.

    `parameters` are those that are trained, by name; `optimizer` is as accelerate wrapped it.
    `losses` are the steps' since the last line of the log. `scaler` is there in fp16.
    """

    parameters: Mapping[str, nn.Parameter]
    optimizer: Any
    schedule: LRScheduler
    average: EMAModel | None = None
    scaler: Any = None
    step: int = 0
    losses: list[float] = field(default_factory=list)

    def checkpoint(self, identity: Mapping[str, Any]) -> Checkpoint:
        """Everything that is needed to go on; `identity` is what a resumed run must share."""
        tensors: dict[str, Mapping[str, Tensor]] = {
            "weights": {name: p.detach() for name, p in self.parameters.items()},
            "optimizer": optimizer_tensors(self.optimizer),
        }
        if self.average is not None:
            shadows = self.average.shadow_params
            tensors["average"] = dict(zip(self.parameters, shadows, strict=True))
        state = {
            "schedule": {
                key: value
                for key, value in self.schedule.state_dict().items()
                if key != "lr_lambdas"
            },
            "scaler": self.scaler.state_dict() if self.scaler else None,
            "averaged": self.average.optimization_step if self.average else None,
            "losses": self.losses,
            "identity": identity,
        }
        return Checkpoint(self.step, tensors, state)

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint's state."""
        for name, parameter in self.parameters.items():
            parameter.copy_(checkpoint.tensors["weights"][name])
        load_optimizer(self.optimizer, checkpoint.tensors["optimizer"])
        if self.average is not None:
            saved = checkpoint.tensors["average"]
            for name, shadow in zip(self.parameters, self.average.shadow_params, strict=True):
                shadow.copy_(saved[name])
            self.average.optimization_step = checkpoint.state["averaged"]
        if self.scaler:
            self.scaler.load_state_dict(checkpoint.state["scaler"])
        lambdas = {"lr_lambdas": [None] * len(self.optimizer.param_groups)}
        self.schedule.load_state_dict({**checkpoint.state["schedule"], **lambdas})
        for group, rate in zip(
            self.optimizer.param_groups, self.schedule.get_last_lr(), strict=True
        ):
            group["lr"] = rate
        self.step, self.losses = checkpoint.step, list(checkpoint.state["losses"])

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(p.isfinite().all()) for p in self.parameters.values())

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The weights are their average inside, where there is one."""
        if self.average is None:
            yield
            return
        parameters = list(self.parameters.values())
        self.average.store(parameters)
        self.average.copy_to(parameters)
        try:
            yield
        finally:
            self.average.restore(parameters)
