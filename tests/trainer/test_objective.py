"""The objective is the paper's: each function against its formula, a number at a time."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from onepic.backbones.ddpm import Ddpm
from onepic.trainer.objective import draw_noise, masked_loss, noise_target

seeds = st.integers(0, 2**32 - 1)
abars = st.floats(0, 1, width=32)


def draw(seed: int, batch: int = 2, height: int = 3, width: int = 5) -> tuple[Tensor, ...]:
    """x_0, eps and a mask of both values."""
    random = torch.Generator().manual_seed(seed)
    x_0, eps = torch.randn((2, batch, 4, height, width), generator=random)
    m = torch.randint(2, (batch, 1, height, width), generator=random, dtype=torch.uint8)
    m[:, :, 0, 0], m[:, :, -1, -1] = 1, 0
    return x_0, eps, m


def cells(tensor: Tensor) -> list[tuple[int, ...]]:
    return list(torch.cartesian_prod(*map(torch.arange, tensor.shape)).tolist())


@given(seeds, abars, abars)
def test_noise_is_added_inside_the_target_as_equation_1_says(seed, first, second):
    x_0, eps, m = draw(seed)
    process = Ddpm(torch.tensor([first, second]), "epsilon")
    x_t = noise_target(x_0, process.noisy(x_0, eps, torch.tensor([0, 1])), m)
    for b, c, y, x in cells(x_0):
        abar = (first, second)[b]
        clean, noise, inside = x_0[b, c, y, x].item(), eps[b, c, y, x].item(), m[b, 0, y, x].item()
        noisy = math.sqrt(abar) * clean + math.sqrt(1 - abar) * noise
        expected = noisy * inside + clean * (1 - inside)
        assert x_t[b, c, y, x].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(seeds, abars)
def test_the_context_stays_what_it_is_to_the_bit(seed, abar):
    x_0, eps, m = draw(seed)
    x_t = noise_target(x_0, eps * abar, m)
    outside = (m == 0).expand_as(x_0)
    assert torch.equal(x_t[outside].view(torch.int32), x_0[outside].view(torch.int32))


def test_noise_that_is_not_finite_does_not_reach_the_context():
    x_0, eps, m = draw(0)
    eps[:] = math.inf
    x_t = noise_target(x_0, eps, m)
    outside = (m == 0).expand_as(x_0)
    assert torch.equal(x_t[outside], x_0[outside])


@given(seeds)
def test_the_loss_is_equation_3(seed):
    prediction, target, m = draw(seed)
    losses = masked_loss(prediction, target, m)
    for b in range(2):
        total = sum(
            m[b, 0, y, x].item() * (target[b, c, y, x].item() - prediction[b, c, y, x].item()) ** 2
            for c, y, x in cells(prediction[0])
        )
        assert losses[b].item() == pytest.approx(total / (4 * m[b].sum().item()), rel=1e-5)


@given(seeds)
def test_nothing_outside_the_target_moves_the_loss(seed):
    prediction, target, m = draw(seed)
    prediction.requires_grad_()
    losses = masked_loss(prediction, target, m)
    losses.sum().backward()
    inside = m.bool().expand_as(prediction)
    assert torch.equal(prediction.grad != 0, inside & (prediction != target))
    changed = torch.where(inside, prediction, prediction + 100)
    assert torch.equal(masked_loss(changed, target, m), losses)


@given(st.floats(-10, 10, width=32), st.integers(1, 30))
def test_an_error_costs_the_same_in_a_small_target_as_in_a_large_one(error, size):
    m = torch.zeros(2, 1, 5, 6)
    m[0].view(-1)[:size] = 1
    m[1] = 1
    losses = masked_loss(torch.full((2, 4, 5, 6), error), torch.zeros(2, 4, 5, 6), m)
    assert losses.tolist() == pytest.approx([error**2] * 2, rel=1e-5)


def test_the_loss_of_half_precision_is_taken_in_float32():
    prediction, target, m = draw(0)
    half = masked_loss(prediction.half() * 300, -target.half() * 300, m)
    assert half.dtype == torch.float32
    assert half.isfinite().all()


def test_a_canvas_without_target_costs_nothing():
    prediction, target, m = draw(0)
    assert masked_loss(prediction, target, torch.zeros_like(m)).tolist() == [0, 0]


@given(seeds)
def test_noise_is_that_of_its_seed(seed):
    def noise(seed: int) -> Tensor:
        return draw_noise(torch.Size((2, 4, 3, 5)), 0.1, torch.Generator().manual_seed(seed))

    assert torch.equal(noise(seed), noise(seed))
    assert not torch.equal(noise(seed), noise(seed ^ 1))


@given(seeds, st.floats(0.01, 1))
def test_an_offset_adds_one_number_to_each_channel_of_each_sample(seed, offset):
    shape = torch.Size((3, 4, 5, 7))
    plain, shifted = (
        draw_noise(shape, each, torch.Generator().manual_seed(seed)) for each in (0.0, offset)
    )
    shift = (shifted - plain) / offset
    spread = shift.amax((2, 3)) - shift.amin((2, 3))
    assert spread.max() < 1e-3
    assert len({round(each, 2) for each in shift[:, :, 0, 0].flatten().tolist()}) > 6


def test_noise_is_unit_normal():
    noise = draw_noise(torch.Size((8, 4, 64, 64)), 0.0, torch.Generator().manual_seed(0))
    assert noise.mean().abs() < 0.01
    assert noise.std().item() == pytest.approx(1, abs=0.01)
