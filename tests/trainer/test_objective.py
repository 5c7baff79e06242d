"""The objective is the paper's: each function against its formula, a number at a time."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from onepic.trainer.objective import (
    draw_noise,
    draw_timesteps,
    masked_loss,
    min_snr_weight,
    noise_target,
    regression_target,
)

seeds = st.integers(0, 2**32 - 1)
abars = st.floats(0, 1, width=32)
gammas = st.floats(0.5, 20)

SDXL = DDPMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
)


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
    x_t = noise_target(x_0, eps, m, torch.tensor([first, second]))
    for b, c, y, x in cells(x_0):
        abar = (first, second)[b]
        clean, noise, inside = x_0[b, c, y, x].item(), eps[b, c, y, x].item(), m[b, 0, y, x].item()
        noisy = math.sqrt(abar) * clean + math.sqrt(1 - abar) * noise
        expected = noisy * inside + clean * (1 - inside)
        assert x_t[b, c, y, x].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(seeds, abars)
def test_the_context_stays_what_it_is_to_the_bit(seed, abar):
    x_0, eps, m = draw(seed)
    x_t = noise_target(x_0, eps, m, torch.full((2,), abar))
    outside = (m == 0).expand_as(x_0)
    assert torch.equal(x_t[outside].view(torch.int32), x_0[outside].view(torch.int32))


def test_noise_that_is_not_finite_does_not_reach_the_context():
    x_0, eps, m = draw(0)
    eps[:] = math.inf
    x_t = noise_target(x_0, eps, m, torch.full((2,), 0.5))
    outside = (m == 0).expand_as(x_0)
    assert torch.equal(x_t[outside], x_0[outside])


@given(seeds, st.lists(st.integers(0, 999), min_size=2, max_size=2))
def test_inside_the_target_diffusers_adds_the_same_noise(seed, steps):
    x_0, eps, m = draw(seed)
    t = torch.tensor(steps)
    inside = m.bool().expand_as(x_0)
    ours = noise_target(x_0, eps, m, SDXL.alphas_cumprod[t])
    theirs = SDXL.add_noise(x_0, eps, t)
    torch.testing.assert_close(ours[inside], theirs[inside], rtol=1e-6, atol=1e-6)


@given(seeds, st.lists(st.integers(0, 999), min_size=2, max_size=2))
def test_v_is_that_of_diffusers(seed, steps):
    x_0, eps, _ = draw(seed)
    t = torch.tensor(steps)
    ours = regression_target(x_0, eps, SDXL.alphas_cumprod[t], "v_prediction")
    torch.testing.assert_close(ours, SDXL.get_velocity(x_0, eps, t), rtol=1e-6, atol=1e-6)


@given(seeds, abars)
def test_v_follows_its_formula(seed, abar):
    x_0, eps, _ = draw(seed)
    v = regression_target(x_0, eps, torch.full((2,), abar), "v_prediction")
    for place in map(tuple, cells(x_0)):
        expected = math.sqrt(abar) * eps[place].item() - math.sqrt(1 - abar) * x_0[place].item()
        assert v[place].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_epsilon_is_the_noise_itself():
    x_0, eps, _ = draw(0)
    assert regression_target(x_0, eps, torch.full((2,), 0.5), "epsilon") is eps


def test_another_prediction_type_is_refused_by_name():
    x_0, eps, _ = draw(0)
    with pytest.raises(ValueError, match="'sample'; known: epsilon, v_prediction"):
        regression_target(x_0, eps, torch.full((2,), 0.5), "sample")


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


@given(st.floats(1e-5, 0.9999), gammas)
def test_min_snr_of_epsilon(abar, gamma):
    snr = abar / (1 - abar)
    weight = min_snr_weight(torch.tensor([abar]), gamma, "epsilon").item()
    assert weight == pytest.approx(min(snr, gamma) / snr, rel=1e-2)


@given(st.floats(1e-5, 0.9999), gammas)
def test_min_snr_of_v(abar, gamma):
    snr = abar / (1 - abar)
    weight = min_snr_weight(torch.tensor([abar]), gamma, "v_prediction").item()
    assert weight == pytest.approx(min(snr, gamma) / (snr + 1), rel=1e-2)


def test_min_snr_is_that_of_diffusers_for_the_schedule_of_sdxl():
    from diffusers.training_utils import compute_snr

    snr = compute_snr(SDXL, torch.arange(1000))
    capped = snr.clamp(max=5)
    for kind, theirs in (("epsilon", capped / snr), ("v_prediction", capped / (snr + 1))):
        torch.testing.assert_close(min_snr_weight(SDXL.alphas_cumprod, 5, kind), theirs)


@pytest.mark.parametrize(("kind", "weight"), [("epsilon", 1.0), ("v_prediction", 0.0)])
def test_min_snr_has_its_limit_where_the_schedule_ends_in_pure_noise(kind, weight):
    schedule = DDPMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    weights = min_snr_weight(schedule.alphas_cumprod, 5.0, kind)
    assert schedule.alphas_cumprod[-1] == 0
    assert weights[-1].item() == weight
    assert weights.isfinite().all()


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


def test_timesteps_are_uniform_from_the_first_to_the_last():
    t = draw_timesteps(100_000, 10, torch.Generator().manual_seed(0))
    assert t.dtype == torch.int64
    counts = torch.bincount(t, minlength=10)
    assert len(counts) == 10
    assert counts.min() > 9_500
