"""The validation loss compares runs: it depends on the weights and the held-out samples alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from onepic.trainer.base import open_base
from onepic.trainer.canvases import Canvases, open_canvases
from onepic.trainer.loader import CanvasLoader
from onepic.trainer.run import open_accelerator
from onepic.trainer.settings import Settings
from onepic.trainer.step import Objective
from onepic.trainer.validation import Validation

Measure = Callable[..., float]

ABAR = torch.linspace(0.999, 0.005, 1000)
OBJECTIVE = Objective(ABAR, "epsilon")


class Network(nn.Module):
    """Answers with a share of its input, and notes timesteps, inputs and its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.inputs: list[Tensor] = []
        self.modes: set[bool] = set()

    def forward(self, x_t: Tensor, t: Tensor, hidden: Tensor, **others: Any) -> tuple[Tensor]:
        self.steps += t.tolist()
        self.inputs += list(x_t)
        self.modes.add(self.training)
        return (x_t * 0.5,)


@pytest.fixture(scope="module")
def datasets(many_shards: Path, two_shapes: Path) -> list[Canvases]:
    return [open_canvases(many_shards), open_canvases(two_shapes)]


@pytest.fixture
def measure(datasets: list[Canvases], tmp_path: Path) -> Measure:
    """`measure(unet, batch_size)` validates on 7 samples of one dataset and 4 of another."""

    def run(unet: Any, batch_size: int = 4, **settings: Any) -> float:
        wanted = Settings.model_validate({"tracker": "none", "precision": "no"} | settings)
        parts = [np.arange(3, 47, 6)[:7], np.array([0, 1, 2, 17])]
        loader = CanvasLoader(datasets, batch_size, seed=wanted.seed, parts=parts, once=True)
        accelerator = open_accelerator(wanted, tmp_path)
        return Validation(loader, parts, accelerator).measure(unet, OBJECTIVE)

    return run


@pytest.mark.parametrize("batch_size", [1, 2, 3, 11])
def test_the_value_is_the_same_for_any_batch_size(measure: Measure, batch_size):
    assert measure(Network(), batch_size) == pytest.approx(measure(Network(), 4), rel=1e-6)


def test_the_value_is_the_same_for_a_real_unet_and_any_batch_size(finished_project, tmp_path):
    canvases = open_canvases(finished_project.output)
    unet = open_base("miniature", None).load_unet(torch.float32)
    parts = [np.arange(5)]
    accelerator = open_accelerator(Settings(tracker="none", precision="no"), tmp_path)
    values = [
        Validation(
            CanvasLoader([canvases], size, parts=parts, once=True), parts, accelerator
        ).measure(unet, OBJECTIVE)
        for size in (1, 2, 5)
    ]
    assert values == pytest.approx([values[0]] * 3, rel=1e-6)


def test_the_value_does_not_depend_on_the_runs_seed(measure: Measure):
    assert measure(Network(), seed=1) == measure(Network(), seed=2)


def test_the_value_is_the_same_every_time(measure: Measure):
    network = Network()
    assert measure(network) == measure(network)


def test_each_sample_has_noise_of_its_own(measure: Measure):
    network = Network()
    measure(network)
    assert len(network.inputs) == 11
    noises = {tuple(each.flatten()[:4].tolist()) for each in network.inputs}
    assert len(noises) == 11


def test_timesteps_cover_the_schedule_evenly(measure: Measure):
    network = Network()
    measure(network)
    assert sorted(network.steps) == [(2 * n + 1) * 1000 // 22 for n in range(11)]


def test_the_value_is_the_mean_over_samples_not_over_batches(measure: Measure):
    alone = measure(Network(), 1)
    together = measure(Network(), 8)
    assert together == pytest.approx(alone, rel=1e-6)


def test_the_network_is_measured_as_it_is_used_and_left_as_it_is_trained(measure: Measure):
    network = Network().train()
    measure(network)
    assert network.modes == {False}
    assert network.training


def test_nothing_is_left_of_it_in_the_random_numbers_of_training(measure: Measure):
    torch.manual_seed(5)
    before, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()
    measure(Network())
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == theirs).all()


def test_it_leaves_no_gradients(measure: Measure):
    class Learns(Network):
        def __init__(self) -> None:
            super().__init__()
            self.share = nn.Parameter(torch.tensor(0.5))

        def forward(self, x_t: Tensor, t: Tensor, hidden: Tensor, **others: Any) -> tuple[Tensor]:
            return (x_t * self.share,)

    network = Learns()
    measure(network)
    assert network.share.grad is None
    (network.share * 2).backward()
    assert network.share.grad == 2


def test_in_bfloat16_it_is_nearly_the_same(measure: Measure):
    assert measure(Network(), precision="bf16") == pytest.approx(measure(Network()), rel=1e-2)
