"""The validation loss compares runs: it depends on the weights and the held-out samples alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from onepic.backbones import BACKBONES
from onepic.backbones.ddpm import Ddpm
from onepic.trainer.base import open_base
from onepic.trainer.canvases import Canvases, open_canvases
from onepic.trainer.loader import Batch, CanvasLoader
from onepic.trainer.run import open_accelerator
from onepic.trainer.settings import Settings
from onepic.trainer.step import Objective
from onepic.trainer.validation import Measured, Validation, in_context_of, lenders

Measure = Callable[..., Measured]

ABAR = torch.linspace(0.999, 0.005, 1000)
OBJECTIVE = Objective(BACKBONES["sdxl"], Ddpm(ABAR, "epsilon"))
NAMES = ("first", "second")


def figures(found: Measured) -> list[float]:
    return [found.loss, found.other_context, *(found.losses[name] for name in NAMES)]


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

    def run(unet: Any, batch_size: int = 4, **settings: Any) -> Measured:
        wanted = Settings.model_validate({"tracker": "none", "precision": "no"} | settings)
        parts = [np.arange(3, 47, 6)[:7], np.array([0, 1, 2, 17])]
        loaders = [
            CanvasLoader(datasets, batch_size, seed=wanted.seed, parts=order, once=True)
            for order in (parts, lenders(datasets, parts, parts))
        ]
        accelerator = open_accelerator(wanted, tmp_path)
        return Validation(*loaders, parts, NAMES, accelerator).measure(unet, OBJECTIVE)

    return run


@pytest.mark.parametrize("batch_size", [1, 2, 3, 11])
def test_the_value_is_the_same_for_any_batch_size(measure: Measure, batch_size):
    found, expected = measure(Network(), batch_size), measure(Network(), 4)
    assert figures(found) == pytest.approx(figures(expected), rel=1e-6)


def test_the_value_is_the_same_for_a_real_unet_and_any_batch_size(finished_project, tmp_path):
    canvases = open_canvases(finished_project.output)
    base = open_base("miniature", None)
    unet = base.load(base.backbone.network, torch.float32)
    parts = [np.arange(5)]
    accelerator = open_accelerator(Settings(tracker="none", precision="no"), tmp_path)
    values = []
    for size in (1, 2, 5):
        loaders = [
            CanvasLoader([canvases], size, parts=order, once=True)
            for order in (parts, lenders([canvases], parts, parts))
        ]
        measured = Validation(*loaders, parts, ["only"], accelerator).measure(unet, OBJECTIVE)
        assert not measured.losses
        values.append((measured.loss, measured.other_context))
    assert values == [pytest.approx(values[0], rel=1e-6)] * 3


def test_the_value_does_not_depend_on_the_runs_seed(measure: Measure):
    assert measure(Network(), seed=1) == measure(Network(), seed=2)


def test_the_value_is_the_same_every_time(measure: Measure):
    network = Network()
    assert measure(network) == measure(network)


def test_each_sample_has_noise_of_its_own_in_either_context(measure: Measure, monkeypatch):
    noises: list[tuple[float, ...]] = []
    errors = Objective.errors

    def noted(self: Objective, unet: Any, batch: Batch, eps: Tensor, t: Tensor) -> Tensor:
        noises.extend(tuple(each.flatten()[:4].tolist()) for each in eps)
        return errors(self, unet, batch, eps, t)

    monkeypatch.setattr(Objective, "errors", noted)
    measure(Network())
    assert len(noises) == 2 * 11
    assert len(set(noises)) == 11


def test_the_timesteps_of_each_dataset_cover_the_schedule_evenly(measure: Measure):
    network = Network()
    measure(network)
    expected = [(2 * n + 1) * 1000 // (2 * count) for count in (7, 4) for n in range(count)]
    assert sorted(network.steps) == sorted(expected * 2)


def test_each_of_several_datasets_has_its_loss_and_the_mean_is_over_all_samples(measure: Measure):
    found = measure(Network())
    assert list(found.losses) == list(NAMES)
    assert found.losses["first"] != found.losses["second"]
    mean = (7 * found.losses["first"] + 4 * found.losses["second"]) / 11
    assert found.loss == pytest.approx(mean, rel=1e-6)


def test_the_value_is_the_mean_over_samples_not_over_batches(measure: Measure):
    alone = measure(Network(), 1)
    together = measure(Network(), 8)
    assert together.loss == pytest.approx(alone.loss, rel=1e-6)


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
    half = measure(Network(), precision="bf16")
    assert figures(half) == pytest.approx(figures(measure(Network())), rel=1e-2)


class LooksAround(Network):
    """Adds the mean of what it sees to its answer."""

    def forward(self, x_t: Tensor, t: Tensor, hidden: Tensor, **others: Any) -> tuple[Tensor]:
        return (x_t * 0.5 + x_t.mean(dim=(1, 2, 3), keepdim=True),)


def test_a_network_that_ignores_the_context_does_as_well_in_another(measure: Measure):
    found = measure(Network())
    assert found.other_context == found.loss
    looking = measure(LooksAround())
    assert looking.other_context != looking.loss


def test_a_context_is_lent_by_another_sample_of_the_same_shape(datasets: list[Canvases]):
    parts = [np.arange(3, 47, 6)[:7], np.array([0, 1, 2, 17])]
    lent = lenders(datasets, parts, parts)
    for dataset, part, lender in zip(datasets, parts, lent, strict=True):
        assert sorted(lender) == sorted(part)
        shapes = dataset.samples.shape
        for shape in np.unique(shapes[part]):
            own, others = (of[shapes[of] == shape] for of in (part, lender))
            assert (own != others).all() or len(own) == 1


@pytest.mark.parametrize("sets", [[0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2]])
def test_a_context_is_lent_by_a_sample_of_another_set(datasets: list[Canvases], sets: list[int]):
    parts, of = [np.arange(6)], np.array(sets)
    (lender,) = lenders(datasets[:1], parts, [of])
    assert (of[lender] != of).all()


def test_only_the_context_is_lent(datasets: list[Canvases]):
    loader = CanvasLoader([datasets[0]], 2, parts=[np.arange(4)], once=True)
    batch, other = loader
    mixed = in_context_of(batch, other)
    target = batch.mask.bool().expand_as(batch.latents)
    assert torch.equal(mixed.latents[target], batch.latents[target])
    assert torch.equal(mixed.latents[~target], other.latents[~target])
    assert torch.equal(mixed.texts["hidden"], batch.texts["hidden"])
