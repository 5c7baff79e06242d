"""Stable Diffusion XL (Podell et al. 2023), and the small pipeline of its kind that ships here.

- `text`: two encoders make hidden states and a pooled embedding of a prompt.
- `sizes`: the sizes that the U-Net is told besides.
- `network`: how the U-Net is called.
- `kohya`: the names of its layers in kohya's files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..backbone import Backbone, Component, KohyaNames
from ..sampling import SCHEDULE
from .kohya import HEADER, kohya_key
from .network import predict
from .sizes import size_conditions

if TYPE_CHECKING:
    import torch

    from ..process import Process
    from ..texts import Embeddings


def _refusal(unet: Mapping[str, Any], vae: Mapping[str, Any]) -> str | None:
    takes, gives = unet.get("in_channels"), vae.get("latent_channels")
    if isinstance(takes, int) and isinstance(gives, int) and takes > gives:
        return (
            f"its U-Net takes {takes} channels and its VAE gives {gives}, as those of in-painting "
            "models do; expected a text-to-image model"
        )
    return None


def _native_area(unet: Mapping[str, Any], vae: Mapping[str, Any], factor: int) -> int:
    side = unet.get("sample_size")
    pixels = side * factor if side else vae.get("sample_size", 1024)
    return int(pixels) ** 2


def _text_widths(unet: Mapping[str, Any]) -> dict[str, int | None]:
    pooled = unet.get("projection_class_embeddings_input_dim", 0)
    pooled -= 6 * (unet.get("addition_time_embed_dim") or 0)
    return {"hidden": unet.get("cross_attention_dim"), "pooled": pooled}


def _zero_empty_prompt(index: Mapping[str, Any]) -> bool:
    return bool(index.get("force_zeros_for_empty_prompt", True))


def _embed(
    encoders: Mapping[str, Any], prompts: Sequence[str], device: torch.device | None = None
) -> Embeddings:
    from .text import embed

    return embed(encoders, prompts, device)


def _process(folder: Path) -> Process:
    from ..ddpm import read_ddpm

    return read_ddpm(folder)


SDXL = Backbone(
    name="sdxl",
    title="Stable Diffusion XL",
    tag="stable-diffusion-xl",
    example="stabilityai/stable-diffusion-xl-base-1.0",
    pipelines=("OnePicPipeline", "StableDiffusionXL"),
    stock="StableDiffusionXLPipeline",
    network=Component("unet", "diffusers.UNet2DConditionModel"),
    vae=Component("vae", "diffusers.AutoencoderKL"),
    encoders=(
        Component("text_encoder", "transformers.CLIPTextModel"),
        Component("text_encoder_2", "transformers.CLIPTextModelWithProjection"),
        Component("tokenizer", "transformers.CLIPTokenizer", has_weights=False),
        Component("tokenizer_2", "transformers.CLIPTokenizer", has_weights=False),
    ),
    options={"force_zeros_for_empty_prompt": True},
    targets=("attn1.to_q", "attn1.to_k", "attn1.to_v"),
    sampling=SCHEDULE,
    kohya=KohyaNames(kohya_key, HEADER),
    refusal=_refusal,
    native_area=_native_area,
    text_widths=_text_widths,
    zero_empty_prompt=_zero_empty_prompt,
    embed=_embed,
    conditions=size_conditions,
    predict=predict,
    process=_process,
)
