"""U-Nets of SDXL's shape, and datasets in the compiler's format: small and random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from onepic.trainer.adapter import trainable
from tests.datasets import (
    make_older,
    many_shards,
    new_files,
    new_threads,
    two_shapes,
    write_dataset_fixture,
)

NewUNet = Callable[..., UNet2DConditionModel]
__all__ = [
    "make_older",
    "many_shards",
    "new_files",
    "new_threads",
    "two_shapes",
    "write_dataset_fixture",
]


@pytest.fixture(scope="session")
def unet_config() -> Mapping[str, Any]:
    """SDXL's U-Net with 32 and 64 channels instead of 320 to 1280."""
    return {
        "sample_size": 16,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (32, 64, 64),
        "layers_per_block": 1,
        "transformer_layers_per_block": (1, 1, 2),
        "attention_head_dim": (2, 4, 4),
        "norm_num_groups": 8,
        "cross_attention_dim": 160,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 96 + 6 * 8,
    }


@pytest.fixture(scope="session")
def sdxl_config(unet_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The U-Net of stabilityai/stable-diffusion-xl-base-1.0."""
    return {
        **unet_config,
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "norm_num_groups": 32,
        "cross_attention_dim": 2048,
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }


@pytest.fixture
def new_unet(unet_config: Mapping[str, Any]) -> NewUNet:
    """`new_unet(layers_per_block=2)` makes a small U-Net, always with the same weights."""

    def make(**changes: Any) -> UNet2DConditionModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return UNet2DConditionModel(**{**unet_config, **changes}).eval()

    return make


@pytest.fixture
def unet(new_unet: NewUNet) -> UNet2DConditionModel:
    """A small U-Net with one layer per block."""
    return new_unet()


@pytest.fixture
def sdxl(sdxl_config: Mapping[str, Any]) -> UNet2DConditionModel:
    """SDXL's own U-Net, without memory for its weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(**sdxl_config)


def predict(unet: nn.Module) -> Tensor:
    """What the U-Net makes of a fixed input."""
    random = torch.Generator().manual_seed(1)
    dtype = next(unet.parameters()).dtype
    latents, hidden, pooled = (
        torch.randn(shape, generator=random).to(dtype)
        for shape in ((2, 4, 16, 16), (2, 5, 160), (2, 96))
    )
    added = {"text_embeds": pooled, "time_ids": torch.full((2, 6), 128.0)}
    with torch.no_grad():
        return unet(latents, 500, hidden, added_cond_kwargs=added).sample


def change_weights(unet: nn.Module) -> None:
    """Move every trained weight by something random, as training would."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in trainable(unet).values():
            parameter += 0.2 * torch.randn(parameter.shape, generator=random)


@pytest.fixture(name="predict")
def predict_fixture() -> Callable[[nn.Module], Tensor]:
    """`predict(unet)` is the output for a fixed input."""
    return predict


@pytest.fixture(name="change_weights")
def change_weights_fixture() -> Callable[[nn.Module], None]:
    """`change_weights(unet)` stands in for training."""
    return change_weights
