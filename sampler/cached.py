"""Filling the canvases of a compiled dataset from its own latents and prompts.

Nothing is encoded for it, so that no text encoder has to be in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..backbones.latents import Latents
from ..backbones.sampling import Sampling
from ..canvas.layout import Layout
from ..dataset.decoder import decode_boxes
from ..trainer.loader import Batch
from ..trainer.step import seed_of_batch
from .denoise import denoise


@torch.no_grad()
def fill_batch(
    predict: Callable[[Tensor, Tensor, Batch], Tensor],
    batch: Batch,
    scheduler: Any,
    sampling: Sampling,
    steps: int,
) -> Tensor:
    """The canvases with their targets filled, float32 [B, C, H, W], without guidance.

    `predict` gives the network's output for an input [B, C, H, W] and a timestep. The noise of a
    sample follows from its number alone.
    """
    device = batch.latents.device
    random = [torch.Generator().manual_seed(seed_of_batch(0, int(n))) for n in batch.samples]
    noise = torch.stack([torch.randn(batch.latents.shape[1:], generator=r) for r in random])
    return denoise(
        batch.mask,
        batch.latents.float(),
        sampling.begin(scheduler, steps, noise.to(device)),
        scheduler,
        sampling,
        lambda seen, t: predict(seen, t, batch).float(),
        {},
        lambda _number, _t, state: state,
    )


def decode_canvases(
    vae: Any, canvases: Tensor, layout: Layout, latents: Latents
) -> NDArray[np.uint8]:
    """Whole canvases, uint8 [B, H, W, 3], each panel decoded alone as it was encoded.

    `layout` is the dataset's, `canvases` are [B, C, H, W].
    """
    boxes = [box for _, box in layout.cells()]
    return decode_boxes(vae, canvases, boxes, latents)


def load_scheduler(folder: Path) -> Any:
    """The scheduler that a model comes with, of whichever class it is."""
    config = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))
    return getattr(diffusers, config["_class_name"]).from_config(config)
