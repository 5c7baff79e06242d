"""A noise schedule is that of diffusers, a number at a time."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from onepic.backbones.ddpm import Ddpm

seeds = st.integers(0, 2**32 - 1)
abars = st.floats(0, 1, width=32)
gammas = st.floats(0.5, 20)
FIRST = torch.tensor([0, 0])

SDXL = DDPMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
)


def draw(seed: int) -> Tensor:
    """x_0 and eps."""
    return torch.randn((2, 2, 4, 3, 5), generator=torch.Generator().manual_seed(seed))


def cells(tensor: Tensor) -> list[tuple[int, ...]]:
    return list(torch.cartesian_prod(*map(torch.arange, tensor.shape)).tolist())


@given(seeds, st.lists(st.integers(0, 999), min_size=2, max_size=2))
def test_diffusers_adds_the_same_noise(seed, steps):
    x_0, eps = draw(seed)
    t = torch.tensor(steps)
    ours = Ddpm(SDXL.alphas_cumprod, "epsilon").noisy(x_0, eps, t)
    torch.testing.assert_close(ours, SDXL.add_noise(x_0, eps, t), rtol=1e-6, atol=1e-6)


@given(seeds, st.lists(st.integers(0, 999), min_size=2, max_size=2))
def test_v_is_that_of_diffusers(seed, steps):
    x_0, eps = draw(seed)
    t = torch.tensor(steps)
    ours = Ddpm(SDXL.alphas_cumprod, "v_prediction").target(x_0, eps, t)
    torch.testing.assert_close(ours, SDXL.get_velocity(x_0, eps, t), rtol=1e-6, atol=1e-6)


@given(seeds, abars)
def test_v_follows_its_formula(seed, abar):
    x_0, eps = draw(seed)
    v = Ddpm(torch.tensor([abar]), "v_prediction").target(x_0, eps, FIRST)
    for place in map(tuple, cells(x_0)):
        expected = math.sqrt(abar) * eps[place].item() - math.sqrt(1 - abar) * x_0[place].item()
        assert v[place].item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_epsilon_is_the_noise_itself():
    x_0, eps = draw(0)
    assert Ddpm(torch.tensor([0.5]), "epsilon").target(x_0, eps, FIRST) is eps


def test_another_prediction_type_is_refused_by_name():
    with pytest.raises(ValueError, match="'sample'; expected epsilon or v_prediction"):
        Ddpm(torch.tensor([0.5]), "sample")


@given(st.floats(1e-5, 0.9999), gammas)
def test_min_snr_of_epsilon(abar, gamma):
    snr = abar / (1 - abar)
    weight = Ddpm(torch.tensor([abar]), "epsilon").min_snr_weight(FIRST[:1], gamma).item()
    assert weight == pytest.approx(min(snr, gamma) / snr, rel=1e-2)


@given(st.floats(1e-5, 0.9999), gammas)
def test_min_snr_of_v(abar, gamma):
    snr = abar / (1 - abar)
    weight = Ddpm(torch.tensor([abar]), "v_prediction").min_snr_weight(FIRST[:1], gamma).item()
    assert weight == pytest.approx(min(snr, gamma) / (snr + 1), rel=1e-2)


def test_min_snr_is_that_of_diffusers_for_the_schedule_of_sdxl():
    from diffusers.training_utils import compute_snr

    snr = compute_snr(SDXL, torch.arange(1000))
    capped = snr.clamp(max=5)
    for kind, theirs in (("epsilon", capped / snr), ("v_prediction", capped / (snr + 1))):
        process = Ddpm(SDXL.alphas_cumprod, kind)
        torch.testing.assert_close(process.min_snr_weight(torch.arange(1000), 5), theirs)


@pytest.mark.parametrize(("kind", "weight"), [("epsilon", 1.0), ("v_prediction", 0.0)])
def test_min_snr_has_its_limit_where_the_schedule_ends_in_pure_noise(kind, weight):
    schedule = DDPMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    process = Ddpm(schedule.alphas_cumprod, kind)
    weights = process.min_snr_weight(torch.arange(1000), 5.0)
    assert schedule.alphas_cumprod[-1] == 0
    assert weights[-1].item() == weight
    assert weights.isfinite().all()


def test_timesteps_are_uniform_from_the_first_to_the_last():
    process = Ddpm(torch.rand(10), "epsilon")
    t = process.draw(100_000, torch.Generator().manual_seed(0))
    assert t.dtype == torch.int64
    counts = torch.bincount(t, minlength=10)
    assert len(counts) == 10
    assert counts.min() > 9_500


@pytest.mark.parametrize(("count", "steps"), [(1, 1000), (7, 1000), (1000, 1000), (3, 1)])
def test_timesteps_of_a_few_samples_cover_the_schedule_evenly(count, steps):
    found = Ddpm(torch.rand(steps), "epsilon").spread(range(count), count)
    parts = found * count // steps
    assert parts.tolist() == list(range(count)) if steps >= count else set(found.tolist()) == {0}
