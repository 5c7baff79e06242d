"""The bundled pipeline: stock diffusers loads it, and it draws what a caption says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors import safe_open

from onepic import miniature
from onepic.miniature.train_pipeline import new_unet

SIDE = 128


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        miniature.path(), torch_dtype=torch.float32
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline: StableDiffusionXLPipeline, *captions: str) -> np.ndarray:
    """[N, 128, 128, 3] in 0..1, all from the same noise."""
    pixels: np.ndarray = pipeline(
        list(captions),
        height=SIDE,
        width=SIDE,
        num_inference_steps=12,
        guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(0) for _ in captions],
        output_type="np",
    ).images
    return pixels


def test_the_ground_and_the_sky_are_those_of_the_caption(
    pipeline: StableDiffusionXLPipeline,
) -> None:
    lawn, beach, room = draw(
        pipeline,
        "a small red ball on grass under a blue sky",
        "a small red ball on sand under a blue sky",
        "a small red ball on tiles before a pink wall",
    )
    ground = slice(112, 128)
    red, green, _ = lawn[ground].mean(axis=(0, 1))
    assert green > red + 0.1
    red, green, blue = beach[ground].mean(axis=(0, 1))
    assert red > green > blue + 0.1
    assert beach[:16, ..., 2].mean() > beach[:16, ..., 0].mean() + 0.1
    red, green, _ = room[:16].mean(axis=(0, 1))
    assert red > green + 0.05


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("blue", 2)])
def test_a_thing_has_the_colour_of_the_caption(
    pipeline: StableDiffusionXLPipeline, colour: str, channel: int
) -> None:
    (pixels,) = draw(pipeline, f"a large {colour} ball in snow under a cloudy sky")
    rest = [other for other in range(3) if other != channel]
    is_coloured = pixels[..., channel] > pixels[..., rest].max(axis=-1) + 0.25
    assert is_coloured.mean() > 0.03


def test_a_garment_is_laid_on_white(pipeline: StableDiffusionXLPipeline) -> None:
    (pixels,) = draw(pipeline, "a red shirt laid flat")
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 0.8
    assert pixels[60:68, 60:68, 0].mean() > pixels[60:68, 60:68, 1].mean() + 0.3


def test_it_is_small_enough_for_the_package() -> None:
    files = [file for file in miniature.path().rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 60e6


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
def test_weights_are_float16(part: str) -> None:
    (file,) = Path(miniature.path(), part).glob("*.safetensors")
    with safe_open(file, "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_the_u_net_is_the_one_that_the_training_makes(pipeline: StableDiffusionXLPipeline) -> None:
    made = new_unet()
    assert 10e6 < sum(weight.numel() for weight in made.parameters()) < 20e6
    shapes = {name: weight.shape for name, weight in pipeline.unet.state_dict().items()}
    assert shapes == {name: weight.shape for name, weight in made.state_dict().items()}
