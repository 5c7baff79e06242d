"""The VAE of the miniature: it loads in stock diffusers and reconstructs unseen photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors import safe_open

from onepic.compiler.sources.photographs import PHOTOGRAPHS
from onepic.miniature import path
from onepic.miniature.augment import draw_batch, random_crop
from onepic.miniature.train_vae import (
    PEAK_LEARNING_RATE,
    held_out_pictures,
    learning_rate,
    new_vae,
    psnr,
    read_photograph,
    reconstruct,
)

WEIGHTS = Path("vae", "diffusion_pytorch_model.safetensors")


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(path(), subfolder="vae").float().eval()


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    return [read_photograph(photograph) for photograph in PHOTOGRAPHS if not photograph.held_out]


def test_the_latents_have_four_channels_and_an_eighth_of_the_size(vae: AutoencoderKL) -> None:
    with torch.no_grad():
        latents = vae.encode(torch.zeros(1, 3, 64, 96)).latent_dist.mode()
    assert latents.shape == (1, 4, 8, 12)
    assert vae.config.latent_channels == 4


def test_the_vae_has_two_to_three_million_parameters(vae: AutoencoderKL) -> None:
    assert 2e6 < sum(parameter.numel() for parameter in vae.parameters()) < 3e6


def test_the_file_is_float16_and_under_6_mb() -> None:
    file = path() / WEIGHTS
    assert file.stat().st_size < 6_000_000
    with safe_open(file, "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_scaled_latents_are_near_unit_variance(
    vae: AutoencoderKL, photographs: list[Image.Image]
) -> None:
    crops = draw_batch(photographs, np.random.default_rng(1), 48)
    with torch.no_grad():
        latents = vae.encode(crops).latent_dist.mode() * vae.config.scaling_factor
    assert 0.8 < latents.std() < 1.25


@pytest.mark.parametrize("name", ["coffee", "chelsea"])
def test_held_out_photographs_come_back_at_23_db_and_a_half(vae: AutoencoderKL, name: str) -> None:
    pixels = held_out_pictures()[name]
    assert psnr(reconstruct(vae, pixels), pixels) >= 23.5


def test_the_held_out_photographs_are_two_and_in_range() -> None:
    pictures = held_out_pictures()
    assert set(pictures) == {"coffee", "chelsea"}
    for pixels in pictures.values():
        assert pixels.shape == (1, 3, 256, 384)
        assert pixels.min() >= -1
        assert pixels.max() <= 1


def test_a_new_vae_has_the_shape_of_the_shipped_one(vae: AutoencoderKL) -> None:
    shapes = {name: weight.shape for name, weight in new_vae().state_dict().items()}
    assert shapes == {name: weight.shape for name, weight in vae.state_dict().items()}


def test_the_learning_rate_warms_up_and_falls_to_a_fiftieth() -> None:
    rates = [learning_rate(step / 1000) for step in range(1001)]
    peak = rates.index(max(rates))
    assert 0 < rates[0] < 0.02 * PEAK_LEARNING_RATE
    assert 10 <= peak <= 30
    assert rates[peak] == pytest.approx(PEAK_LEARNING_RATE, rel=0.01)
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(PEAK_LEARNING_RATE / 50)


def test_the_learning_rate_stays_low_after_the_end() -> None:
    assert learning_rate(1.5) == pytest.approx(learning_rate(1.0))


@pytest.mark.parametrize(("levels", "decibels"), [(1, 48.1308), (10, 28.1308), (255, 0.0)])
def test_psnr_of_a_constant_error(levels: int, decibels: float) -> None:
    truth = torch.full((1, 3, 8, 8), -1.0)
    assert psnr(truth + levels / 127.5, truth) == pytest.approx(decibels, abs=1e-3)


def test_psnr_ignores_what_8_bits_cannot_show() -> None:
    truth = torch.zeros(1, 3, 8, 8) + 100 / 127.5 - 1
    shifted = truth.clone()
    shifted[..., 0] += 1 / 127.5
    assert psnr(shifted + 0.2 / 127.5, truth) == pytest.approx(psnr(shifted, truth))


def test_a_batch_has_its_shape_and_range(photographs: list[Image.Image]) -> None:
    pixels = draw_batch(photographs, np.random.default_rng(0), 12, size=32)
    assert pixels.shape == (12, 3, 32, 32)
    assert pixels.dtype == torch.float32
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    assert pixels.std() > 0.1


def test_a_batch_follows_its_seed(photographs: list[Image.Image]) -> None:
    first, again, other = (
        draw_batch(photographs, np.random.default_rng(seed), 4, size=32) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("photograph", [(40, 300), (300, 40), (64, 64), (20, 20)])
def test_a_crop_is_a_square_of_the_photograph(photograph: tuple[int, int]) -> None:
    picture = Image.new("RGB", photograph, (10, 200, 30))
    for seed in range(8):
        crop = random_crop(picture, np.random.default_rng(seed), 32)
        assert crop.size == (32, 32)
        assert crop.getcolors() == [(32 * 32, (10, 200, 30))]


def test_a_crop_follows_its_seed(photographs: list[Image.Image]) -> None:
    first, again, other = (
        random_crop(photographs[0], np.random.default_rng(seed), 32) for seed in (0, 0, 1)
    )
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
