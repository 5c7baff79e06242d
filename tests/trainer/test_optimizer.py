"""The optimizer goes on to the bit from its tensors, and rates follow their schedules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from onepic.common.errors import SettingsError
from onepic.trainer.optimizer import (
    load_optimizer,
    make_optimizer,
    make_schedule,
    optimizer_tensors,
)
from onepic.trainer.settings import Settings

SCHEDULES = ("constant", "linear", "cosine", "cosine_with_restarts", "polynomial")

Train = Callable[[Any, list[nn.Parameter], range], None]


def new_parameters() -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in ((64, 96), (7,))]


def train(optimizer: Any, parameters: list[nn.Parameter], steps: range) -> None:
    """Steps with gradients that follow from the step's number."""
    for step in steps:
        random = torch.Generator().manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=random)
        optimizer.step()


def through_a_file(tensors: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    save_file(tensors, folder / "optimizer.safetensors")
    return load_file(folder / "optimizer.safetensors")


def check_resumes(settings: Settings, folder: Path) -> None:
    straight, resumed = new_parameters(), new_parameters()
    train(make_optimizer(straight, settings), straight, range(6))
    first = make_optimizer(resumed, settings)
    train(first, resumed, range(3))
    second = make_optimizer(resumed, settings)
    load_optimizer(second, through_a_file(optimizer_tensors(first), folder))
    train(second, resumed, range(3, 6))
    assert all(map(torch.equal, straight, resumed))


def test_a_resumed_optimizer_does_the_same_to_the_bit(tmp_path):
    check_resumes(Settings(), tmp_path)


def test_so_does_bitsandbytes(tmp_path):
    pytest.importorskip("bitsandbytes")
    check_resumes(Settings(optimizer="adamw-8bit"), tmp_path)


def test_state_in_the_form_of_bitsandbytes_is_kept_in_full(tmp_path):
    """Counts that are no tensors, tensors in a dict of their own, and tables that are shared."""

    class EightBit(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            table = torch.arange(4.0)
            for number, parameter in enumerate(self.param_groups[0]["params"]):
                quantized = {"state1": torch.full((2,), number, dtype=torch.uint8), "qmap1": table}
                self.state[parameter] = {"step": 7, "quantized": quantized}

    parameters = new_parameters()
    saved, loaded = (EightBit(parameters, lr=1e-3) for _ in range(2))
    saved.step()
    load_optimizer(loaded, through_a_file(optimizer_tensors(saved), tmp_path))
    for number, parameter in enumerate(parameters):
        state = loaded.state[parameter]
        assert isinstance(state["step"], int)
        assert state["step"] == 7
        assert state["state1"].tolist() == [number] * 2
        assert state["qmap1"].tolist() == [0, 1, 2, 3]


def test_an_optimizer_without_steps_has_no_state(tmp_path):
    optimizer = make_optimizer(new_parameters(), Settings())
    load_optimizer(optimizer, through_a_file(optimizer_tensors(optimizer), tmp_path))
    assert optimizer_tensors(optimizer) == {}


def test_state_does_not_bring_back_the_rate_that_it_was_saved_with():
    parameters = new_parameters()
    saved = make_optimizer(parameters, Settings(learning_rate=1e-3))
    train(saved, parameters, range(1))
    loaded = make_optimizer(parameters, Settings(learning_rate=1e-5))
    load_optimizer(loaded, optimizer_tensors(saved))
    assert loaded.param_groups[0]["lr"] == 1e-5


def test_an_update_that_is_not_finite_can_be_left_out_without_asking_for_it():
    parameters = new_parameters()
    optimizer: Any = make_optimizer(parameters, Settings())
    train(optimizer, parameters, range(2))
    before = [parameter.detach().clone() for parameter in parameters]
    state = {name: value.clone() for name, value in optimizer_tensors(optimizer).items()}
    optimizer.found_inf = torch.ones(())
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, torch.nan)
    optimizer.step()
    assert all(map(torch.equal, before, parameters))
    after = optimizer_tensors(optimizer)
    assert all(torch.equal(state[name], after[name]) for name in state)


def test_bitsandbytes_that_is_missing_is_an_error_with_advice(monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(SettingsError, match=r"adamw-8bit needs bitsandbytes .* or use adamw"):
        make_optimizer(new_parameters(), Settings(optimizer="adamw-8bit"))


def rates(settings: Settings) -> list[float]:
    """The rate of every step."""
    optimizer = make_optimizer(new_parameters(), settings)
    schedule, found = make_schedule(optimizer, settings), []
    for _ in range(settings.steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_rises_to_its_height_and_never_above(name):
    found = rates(Settings(schedule=name, steps=20, warmup=5, learning_rate=0.01))
    assert found[:6] == pytest.approx([0, 0.002, 0.004, 0.006, 0.008, 0.01])
    assert max(found) == pytest.approx(0.01)
    after = found[5:]
    assert after == sorted(after, reverse=True)
    assert (after[-1] == 0.01) if name == "constant" else (after[-1] < 0.002)


@pytest.mark.parametrize("name", SCHEDULES)
def test_without_warm_up_the_first_step_has_the_full_rate(name):
    assert rates(Settings(schedule=name, steps=8, learning_rate=0.01))[0] == 0.01
