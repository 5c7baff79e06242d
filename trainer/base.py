"""The model that is trained: its U-Net and what it says about noise and latents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor

from ..backbones.model import DEFAULT_SCALING, check_is_sdxl, locate_model, weights_variant
from ..backbones.weights import load_network
from ..common.errors import ModelError, SettingsError
from .canvases import Canvases

_PATTERNS = ("model_index.json", "unet/*", "scheduler/*", "vae/config.json")


@dataclass(frozen=True)
class Base:
    """A diffusers SDXL folder of which only the U-Net's weights are needed."""

    name: str
    revision: str | None
    folder: Path
    unet: dict[str, Any]
    vae: dict[str, Any]

    @property
    def scaling_factor(self) -> float:
        """What the VAE's latents are multiplied by."""
        return float(self.vae.get("scaling_factor", DEFAULT_SCALING))

    @property
    def shift_factor(self) -> float:
        """What is subtracted from the VAE's latents before."""
        return float(self.vae.get("shift_factor") or 0.0)

    def load_unet(self, dtype: torch.dtype) -> UNet2DConditionModel:
        """The U-Net with every one of its weights.

        Raises:
            ModelError: when it cannot be loaded or lacks weights.
        """
        folder = self.folder / "unet"
        variant = weights_variant(self.name, folder)
        return load_network(UNet2DConditionModel, self.name, folder, dtype, variant)

    def noise_schedule(self) -> tuple[Tensor, str]:
        """abar_t for every timestep, float32 [T], and the prediction type.

        Raises:
            ModelError: when there is no scheduler, or it predicts something else.
        """
        try:
            scheduler = DDPMScheduler.from_pretrained(self.folder / "scheduler")
        except (OSError, ValueError) as error:
            raise ModelError(
                f"model {self.name}: {self.folder / 'scheduler'} cannot be read: {error}"
            ) from error
        prediction_type = scheduler.config.prediction_type
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ModelError(
                f"model {self.name}: its scheduler predicts {prediction_type!r}; "
                "expected epsilon or v_prediction"
            )
        return scheduler.alphas_cumprod, prediction_type


def open_base(name: str, revision: str | None) -> Base:
    """Find a model by folder, Hub id or the word ``miniature``.

    Raises:
        ModelError: when it cannot be found, is no SDXL, or has no U-Net.
    """
    folder, commit = locate_model(name, revision, _PATTERNS, "unet")
    unet, vae = (_config(name, folder, part) for part in ("unet", "vae"))
    check_is_sdxl(name, folder)
    return Base(name, commit, folder, unet, vae)


def check_fits(base: Base, dataset: Canvases) -> None:
    """Refuse a dataset that was made for another kind of model.

    Raises:
        SettingsError: naming the dataset, the model, and what differs.
    """
    made_for, unet = dataset.info.model, base.unet
    pooled = unet.get("projection_class_embeddings_input_dim", 0) - 6 * (
        unet.get("addition_time_embed_dim") or 0
    )
    expected = {
        "scaling factor of latents": (made_for.scaling_factor, base.scaling_factor),
        "shift of latents": (made_for.shift_factor, base.shift_factor),
        "latent channels": (dataset.samples.shapes[0][0], unet.get("in_channels")),
        "width of text embeddings": (dataset.hidden.shape[-1], unet.get("cross_attention_dim")),
        "width of pooled text": (dataset.pooled.shape[-1], pooled),
    }
    for what, (theirs, ours) in expected.items():
        if theirs != ours:
            raise SettingsError(
                f"{dataset.name} was compiled for {made_for.name} and does not suit "
                f"{base.name}: {what} is {theirs} in the dataset and {ours} in the model; train "
                "on the model that it was compiled for, or compile it again with --model"
            )


def _config(name: str, folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {name}: {path} cannot be read ({error}); expected a diffusers SDXL folder "
            "with unet/, scheduler/ and vae/config.json"
        ) from error
    return config
