"""The target is filled by any scheduler while the context stays clean, as in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from onepic.backbones.sampling import SCHEDULE
from onepic.sampler.denoise import compose, denoise, network_input

SDXL = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
NOISE_FREE = {
    "ddim": ("DDIMScheduler", {"set_alpha_to_one": True, "clip_sample": False}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {"set_alpha_to_one": True}),
}


@pytest.fixture
def x_0() -> Tensor:
    """A canvas of 8 x 16 cells."""
    return torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def m() -> Tensor:
    """Its right half but for a cell is to be filled."""
    m = torch.zeros(1, 1, 8, 16, dtype=torch.uint8)
    m[..., 8:] = 1
    m[..., 3, 9] = 0
    return m


def make_scheduler(name: str, **more: Any) -> Any:
    kind, options = NOISE_FREE[name]
    return getattr(diffusers, kind)(**SDXL, **options, **more)


def abar_of_steps(scheduler: Any) -> list[Tensor]:
    """abar_t of each call of the network: from the sigmas, 1 / (1 + sigma^2), if it has any."""
    if hasattr(scheduler, "sigmas"):
        return [1 / (1 + sigma.double() ** 2) for sigma in scheduler.sigmas]
    return [scheduler.alphas_cumprod[int(t)].double() for t in scheduler.timesteps]


def oracle(scheduler: Any, truth: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """A network that knows the picture: its prediction is exact for whatever noise it is shown."""
    abars = iter(abar_of_steps(scheduler))

    def predict(x_t: Tensor, t: Tensor) -> Tensor:
        abar = next(abars)
        eps = (x_t.double() - abar.sqrt() * truth) / (1 - abar).sqrt()
        if scheduler.config.prediction_type == "v_prediction":
            return (abar.sqrt() * eps - (1 - abar).sqrt() * truth).float()
        return eps.float()

    return predict


def fill(m: Tensor, x_0: Tensor, scheduler: Any, predict: Any, count: int = 2) -> Tensor:
    """Sample with a fixed seed."""
    random = torch.Generator().manual_seed(1)
    noise = torch.randn(count, *x_0.shape[1:], generator=random)
    state = noise * scheduler.init_noise_sigma
    ancestral = "Ancestral" in type(scheduler).__name__ or "LCM" in type(scheduler).__name__
    options = {"generator": random} if ancestral else {}
    return denoise(
        m, x_0, state, scheduler, SCHEDULE, predict, options, lambda _n, _t, state: state
    )


class TestRecovering:
    @pytest.mark.parametrize("steps", [4, 15])
    @pytest.mark.parametrize("name", NOISE_FREE)
    def test_a_network_that_knows_the_picture_gives_it_back(self, m, x_0, name, steps):
        scheduler = make_scheduler(name)
        scheduler.set_timesteps(steps)
        truth = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(2))
        filled = fill(m, x_0, scheduler, oracle(scheduler, truth))
        torch.testing.assert_close(
            filled, compose(m, truth, x_0).expand_as(filled), rtol=0, atol=2e-5
        )

    @pytest.mark.parametrize("name", ["ddim", "euler", "dpmpp_2m", "heun", "lcm"])
    def test_a_network_that_predicts_v_gives_it_back_too(self, m, x_0, name):
        scheduler = make_scheduler(name, prediction_type="v_prediction")
        scheduler.set_timesteps(8)
        truth = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(2))
        filled = fill(m, x_0, scheduler, oracle(scheduler, truth))
        torch.testing.assert_close(
            filled, compose(m, truth, x_0).expand_as(filled), rtol=0, atol=5e-5
        )


class TestContext:
    @pytest.mark.parametrize("name", NOISE_FREE)
    def test_the_network_always_sees_the_clean_context(self, m, x_0, name):
        scheduler, seen = make_scheduler(name), []

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            seen.append(x_t)
            return torch.randn(x_t.shape, generator=torch.Generator().manual_seed(int(t)))

        scheduler.set_timesteps(5)
        filled = fill(m, x_0, scheduler, predict)
        context = ~m.bool().expand_as(filled)
        assert len(seen) == len(scheduler.timesteps)
        for each in [*seen, filled]:
            assert torch.equal(each[context], x_0.expand_as(each)[context])

    def test_what_is_predicted_for_the_context_does_not_matter(self, m, x_0):
        scheduler, results = make_scheduler("euler"), []
        for disturbance in (0.0, 1e4, torch.nan):
            scheduler.set_timesteps(4)
            wrong = torch.where(m.bool(), 0.0, disturbance)
            results.append(fill(m, x_0, scheduler, lambda x_t, _t, w=wrong: 0.1 * x_t + w))
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])

    def test_only_the_noisy_part_is_scaled(self, m, x_0):
        scheduler = make_scheduler("euler")
        scheduler.set_timesteps(4)
        t, state = scheduler.timesteps[0], torch.full((1, 4, 8, 16), 20.0)
        seen = network_input(m, state, x_0, scheduler, t, SCHEDULE)
        inside = m.bool().expand_as(seen)
        scale = (scheduler.sigmas[0] ** 2 + 1).sqrt()
        torch.testing.assert_close(seen[inside], (state / scale)[inside])
        assert torch.equal(seen[~inside], x_0[~inside])

    def test_a_callback_may_change_the_state(self, m, x_0):
        scheduler = make_scheduler("euler")
        scheduler.set_timesteps(3)
        calls = []

        def last_word(number: int, t: Tensor, state: Tensor) -> Tensor:
            calls.append((number, float(t)))
            return torch.full_like(state, 7.0) if number == 2 else state

        state = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(1))
        filled = denoise(m, x_0, state, scheduler, SCHEDULE, lambda x, _t: x, {}, last_word)
        assert calls == [(number, float(t)) for number, t in enumerate(scheduler.timesteps)]
        assert torch.equal(filled, compose(m, torch.full_like(x_0, 7.0), x_0))
