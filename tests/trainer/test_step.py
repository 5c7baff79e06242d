"""From a batch to its losses: the network sees the batch's own context, prompts and sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from onepic.backbones import BACKBONES
from onepic.backbones.ddpm import Ddpm
from onepic.trainer.loader import Batch
from onepic.trainer.objective import masked_loss, noise_target
from onepic.trainer.step import Objective, noise_at, seed_of_batch

ABAR = torch.linspace(0.999, 0.005, 1000)


class Network(nn.Module):
    """Notes what it is given, and answers with a fixed share of it."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.5))

    def forward(self, x_t: Tensor, t: Tensor, hidden: Tensor, **others: Any) -> tuple[Tensor]:
        self.x_t, self.t, self.hidden, self.others = x_t, t, hidden, others
        return (x_t * self.share.to(x_t.dtype),)


def new_batch(samples: int = 3, seed: int = 0, number: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    latents = torch.randn((samples, 4, 4, 8), generator=random).half()
    mask = torch.zeros((samples, 1, 4, 8), dtype=torch.uint8)
    mask[:, :, :, 4:] = 1
    return Batch(
        number,
        0,
        np.arange(samples),
        latents,
        mask,
        {
            "hidden": torch.randn((samples, 5, 16), generator=random).half(),
            "pooled": torch.randn((samples, 8), generator=random).half(),
        },
        {"time_ids": torch.tensor([[1331.0, 1333.0, 0, 0, 1024, 2048]] * samples)},
    )


def new_objective(**changes: Any) -> Objective:
    return Objective(BACKBONES["sdxl"], Ddpm(ABAR, "epsilon"), **changes)


def test_the_same_seed_gives_the_same_losses():
    batch, objective = new_batch(), new_objective()
    first, again = (objective.losses(Network(), batch, 7) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (3,)
    assert first.dtype == torch.float32


def test_another_seed_gives_other_noise_and_other_timesteps():
    batch, network, objective = new_batch(8), Network(), new_objective()
    objective.losses(network, batch, 7)
    x_t, t = network.x_t, network.t
    objective.losses(network, batch, 8)
    assert not torch.equal(network.t, t)
    assert not torch.equal(network.x_t, x_t)


def test_training_takes_nothing_from_the_global_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    new_objective(noise_offset=0.1).losses(Network(), new_batch(), 7)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_network_is_given_the_context_as_it_is_in_the_dataset():
    batch, network = new_batch(), Network()
    new_objective(noise_offset=0.1).losses(network, batch, 7)
    outside = (batch.mask == 0).expand_as(batch.latents)
    assert torch.equal(network.x_t[outside], batch.latents.float()[outside])
    assert not torch.equal(network.x_t[~outside], batch.latents.float()[~outside])


def test_the_network_is_given_the_prompts_and_sizes_of_the_batch():
    batch, network = new_batch(), Network()
    new_objective().losses(network, batch, 7)
    added = network.others["added_cond_kwargs"]
    assert torch.equal(network.hidden, batch.texts["hidden"].float())
    assert torch.equal(added["text_embeds"], batch.texts["pooled"].float())
    assert torch.equal(added["time_ids"], batch.conditions["time_ids"])


def test_under_autocast_all_is_bfloat16_but_the_sizes():
    batch, network = new_batch(), Network()
    with torch.autocast("cpu", torch.bfloat16):
        losses = new_objective().losses(network, batch, 7)
    added = network.others["added_cond_kwargs"]
    for tensor in (network.x_t, network.hidden, added["text_embeds"]):
        assert tensor.dtype == torch.bfloat16
    assert added["time_ids"].dtype == torch.float32
    assert added["time_ids"][0, :2].tolist() == [1331, 1333]
    assert losses.dtype == torch.float32


def test_noise_is_drawn_in_float32_also_under_autocast():
    batch, full, half = new_batch(), Network(), Network()
    new_objective().losses(full, batch, 7)
    with torch.autocast("cpu", torch.bfloat16):
        new_objective().losses(half, batch, 7)
    assert torch.equal(half.x_t, full.x_t.bfloat16())


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_the_error_is_that_of_the_papers_functions(kind):
    batch, network = new_batch(), Network()
    eps = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(3))
    t = torch.tensor([1, 500, 999])
    x_0 = batch.latents.float()
    process = Ddpm(ABAR, kind)
    x_t = noise_target(x_0, process.noisy(x_0, eps, t), batch.mask)
    expected = masked_loss(x_t * 0.5, process.target(x_0, eps, t), batch.mask)
    objective = Objective(BACKBONES["sdxl"], process)
    assert torch.equal(objective.errors(network, batch, eps, t), expected)


def test_min_snr_weighs_each_sample_by_its_timestep():
    batch, network = new_batch(8), Network()
    plain = new_objective().losses(network, batch, 7)
    weighed = new_objective(min_snr=0.5).losses(network, batch, 7)
    snr = ABAR[network.t] / (1 - ABAR[network.t])
    torch.testing.assert_close(weighed, plain * snr.clamp(max=0.5) / snr)
    assert not torch.equal(weighed, plain)


def test_the_network_learns_from_the_target_alone():
    batch, network = new_batch(), Network()
    eps = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(3))
    t = torch.tensor([100, 500, 999])
    objective = new_objective()
    objective.errors(network, batch, eps, t).mean().backward()
    gradient = network.share.grad.clone()
    network.share.grad = None
    outside = batch.mask == 0
    changed = replace(batch, latents=torch.where(outside, batch.latents + 1, batch.latents))
    objective.errors(network, changed, eps, t).mean().backward()
    assert torch.equal(network.share.grad, gradient)


def test_a_small_u_net_of_sdxls_shape_takes_a_batch(unet):
    batch = new_batch(2)
    wide = replace(
        batch,
        latents=torch.zeros(2, 4, 8, 16).half(),
        mask=torch.ones(2, 1, 8, 16).byte(),
        texts={"hidden": torch.zeros(2, 5, 160).half(), "pooled": torch.zeros(2, 96).half()},
    )
    x_t = torch.zeros(2, 4, 8, 16)
    found = new_objective().predict(unet, x_t, torch.tensor([3, 500]), wide)
    assert found.shape == x_t.shape


def test_no_two_batches_of_a_run_share_their_noise():
    # torch's generator for the CPU takes the lower 32 bits of a seed.
    seeds = [seed_of_batch(0, number) for number in range(100_000)]
    assert len({seed % 2**32 for seed in seeds}) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_runs_of_other_seeds_have_other_noise():
    runs = [{seed_of_batch(seed, n) % 2**32 for n in range(1000)} for seed in range(20)]
    assert len(set.union(*runs)) == sum(map(len, runs))
    assert seed_of_batch(2**63 - 1, 10**9) < 2**63


def test_the_noise_of_a_sample_follows_from_its_place_whatever_else_is_in_the_batch():
    alone, together = noise_at([5], (4, 2, 2), 1), noise_at([3, 5], (4, 2, 2), 1)
    assert torch.equal(alone[0], together[1])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(alone, noise_at([5], (4, 2, 2), 0))
