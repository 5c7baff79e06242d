"""A run goes on from its checkpoint to the bit, whatever its schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.training_utils import EMAModel
from torch import nn

from onepic.trainer.checkpoint import load_checkpoint, save_checkpoint
from onepic.trainer.optimizer import make_optimizer, make_schedule, optimizer_tensors
from onepic.trainer.settings import Settings
from onepic.trainer.state import State

SCHEDULES = ("constant", "linear", "cosine", "cosine_with_restarts", "polynomial")


def new_state(**changes: Any) -> State:
    settings = Settings.model_validate({"steps": 10, "learning_rate": 0.01, **changes})
    random = torch.Generator().manual_seed(0)
    parameters = {
        f"block.{number}.lora": nn.Parameter(torch.randn((6, 4), generator=random))
        for number in range(12)
    }
    optimizer = make_optimizer(parameters.values(), settings)
    average = EMAModel(parameters.values(), settings.ema, foreach=True) if settings.ema else None
    return State(parameters, optimizer, make_schedule(optimizer, settings), average)


def advance(state: State, steps: int) -> State:
    for _ in range(steps):
        random = torch.Generator().manual_seed(state.step)
        for parameter in state.parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=random)
        state.optimizer.step()
        if state.average is not None:
            state.average.step(state.parameters.values())
        state.schedule.step()
        state.step += 1
        state.losses.append(1 / (state.step + 2))
    return state


def through_a_file(state: State, folder: Path, **changes: Any) -> State:
    """A fresh state of the same settings, gone on from a checkpoint."""
    saved = save_checkpoint(folder, state.checkpoint({}), keep=1)
    fresh = new_state(**changes)
    fresh.restore(load_checkpoint(saved))
    return fresh


def same(one: State, other: State) -> bool:
    tensors = [
        (dict(state.parameters), optimizer_tensors(state.optimizer)) for state in (one, other)
    ]
    return all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)
        for mine, theirs in zip(*tensors, strict=True)
    )


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_resumed_run_does_the_same_to_the_bit(name, warmup, tmp_path):
    changes = {"schedule": name, "warmup": warmup}
    straight = advance(new_state(**changes), 8)
    resumed = through_a_file(advance(new_state(**changes), 3), tmp_path, **changes)
    advance(resumed, 5)
    assert same(straight, resumed)
    assert resumed.step == straight.step == 8
    assert resumed.losses == straight.losses
    assert resumed.optimizer.param_groups[0]["lr"] == straight.optimizer.param_groups[0]["lr"]


def test_the_rate_after_resuming_is_that_of_the_step(tmp_path):
    before = advance(new_state(schedule="linear"), 3)
    resumed = through_a_file(before, tmp_path, schedule="linear")
    assert resumed.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 7 / 10)
    assert resumed.schedule.get_last_lr() == before.schedule.get_last_lr()


def test_the_average_goes_on_to_the_bit(tmp_path):
    straight = advance(new_state(ema=0.9), 8)
    resumed = through_a_file(advance(new_state(ema=0.9), 3), tmp_path, ema=0.9)
    advance(resumed, 5)
    shadows = [state.average.shadow_params for state in (straight, resumed)]
    assert all(map(torch.equal, *shadows))
    assert resumed.average.cur_decay_value == straight.average.cur_decay_value


def test_a_state_before_the_first_step_can_be_kept(tmp_path):
    resumed = through_a_file(new_state(ema=0.9), tmp_path, ema=0.9)
    assert same(advance(new_state(), 2), advance(resumed, 2))


def test_weights_are_found_by_their_names(tmp_path):
    before = advance(new_state(), 2)
    saved = save_checkpoint(tmp_path, before.checkpoint({}), keep=1)
    weights = load_checkpoint(saved).tensors["weights"]
    assert weights.keys() == before.parameters.keys()


def test_the_scale_of_fp16_is_kept(tmp_path):
    before, after = new_state(), new_state()
    before.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**7)
    after.scaler = torch.amp.GradScaler("cpu")
    after.restore(load_checkpoint(save_checkpoint(tmp_path, before.checkpoint({}), keep=1)))
    assert after.scaler.get_scale() == 2.0**7


def test_the_average_stands_in_for_the_weights_and_gives_them_back():
    state = advance(new_state(ema=0.9), 4)
    weights = [p.detach().clone() for p in state.parameters.values()]
    with state.averaged():
        inside = [p.detach().clone() for p in state.parameters.values()]
    assert all(map(torch.equal, inside, state.average.shadow_params))
    assert not any(map(torch.equal, inside, weights))
    assert all(map(torch.equal, weights, state.parameters.values()))


def test_the_weights_come_back_after_a_failure_too():
    state = advance(new_state(ema=0.9), 4)
    weights = [p.detach().clone() for p in state.parameters.values()]
    with pytest.raises(RuntimeError), state.averaged():
        raise RuntimeError
    assert all(map(torch.equal, weights, state.parameters.values()))


def test_without_an_average_the_weights_are_their_own():
    state = advance(new_state(), 1)
    weights = [p.detach().clone() for p in state.parameters.values()]
    with state.averaged():
        assert all(map(torch.equal, weights, state.parameters.values()))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_noticed(bad):
    state = new_state()
    assert state.is_finite()
    with torch.no_grad():
        next(iter(state.parameters.values()))[2, 3] = bad
    assert not state.is_finite()
