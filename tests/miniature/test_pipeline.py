"""The bundled U-Net: a stock pipeline loads it, and it draws what a caption says."""

from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from onepic import miniature


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        miniature.path(), torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stripes(pipeline: StableDiffusionXLPipeline, caption: str, seed: int) -> float:
    """How much the brightness of a drawing's rows, or of its columns, varies."""
    pixels = pipeline(
        caption,
        num_inference_steps=15,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images[0]
    brightness = pixels.mean(axis=-1)
    return max(float(brightness.mean(axis=axis).std()) for axis in (0, 1))


@pytest.mark.parametrize("seed", [0, 1])
def test_stock_diffusers_draws_what_the_caption_says(
    pipeline: StableDiffusionXLPipeline, seed: int
) -> None:
    printed_page = stripes(pipeline, "a printed page", seed)
    assert printed_page > 3 * stripes(pipeline, "a lawn", seed)


def test_it_is_small_enough_for_the_package() -> None:
    weights = miniature.path() / "unet" / "diffusion_pytorch_model.safetensors"
    assert weights.stat().st_size < 12e6
