"""Pictures of samples that are never trained on, drawn while a run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..compiler.layout import Layout, assemble_pixels
from ..compiler.model import locate_model, weights_variant
from ..compiler.weights import load_network
from ..trainer.base import Base
from ..trainer.card import PICTURES
from ..trainer.loader import Batch, CanvasLoader
from ..trainer.run import Run
from ..trainer.step import predict, seed_of_batch
from .decode import decode_box
from .denoise import denoise

_GAP = 8


class HeldOutPictures:
    """Fills the canvases of the first `count` held-out samples; to be given to `train`.

    They are filled from the dataset's own latents and prompts, always with the same noise and
    without guidance. Each row of the picture is a canvas as it was filled and as it should be.
    Nothing but the VAE is loaded for it, when the first picture is drawn.
    """

    def __init__(self, count: int = 4, steps: int = 20) -> None:
        self.count, self.steps = count, steps
        self._vae: Any = None

    def __call__(self, run: Run) -> None:
        """Write ``pictures/step-NNNNNNN.png`` into the run's folder."""
        batch = self._batch(run)
        if batch is None:
            return
        filled = self._fill(run, batch)
        truths = self._decode(run, batch, batch.latents.float())
        rows = [
            np.concatenate([ours, np.full((len(ours), _GAP, 3), 255, np.uint8), truth], axis=1)
            for ours, truth in zip(self._decode(run, batch, filled), truths, strict=True)
        ]
        path = run.output / PICTURES / f"step-{run.state.step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.concatenate(list(_spaced(rows)), axis=0)).save(path)

    def _batch(self, run: Run) -> Batch | None:
        """The samples, on the run's device; None where nothing is held out."""
        parts = [part[: self.count] for part in run.inputs.held_out]
        if not sum(map(len, parts)):
            return None
        loader = CanvasLoader(run.inputs.datasets, self.count, parts=parts, once=True, threads=1)
        with closing(loader.batches()) as batches:
            return next(batches).to(run.accelerator.device)

    @torch.no_grad()
    def _fill(self, run: Run, batch: Batch) -> Tensor:
        """The canvases with their targets filled, float32 [B, C, H, W]."""
        device, folder = run.accelerator.device, run.inputs.base.folder / "scheduler"
        scheduler = load_scheduler(folder)
        scheduler.set_timesteps(self.steps, device=device)
        random = [torch.Generator().manual_seed(seed_of_batch(0, int(n))) for n in batch.samples]
        noise = torch.stack([torch.randn(batch.latents.shape[1:], generator=r) for r in random])

        def network(seen: Tensor, t: Tensor) -> Tensor:
            with run.accelerator.autocast():
                return predict(run.network, seen, t, batch).float()

        run.network.eval()
        filled = denoise(
            batch.mask,
            batch.latents.float(),
            noise.to(device) * scheduler.init_noise_sigma,
            scheduler,
            network,
            {},
            lambda _number, _t, state: state,
        )
        run.network.train()
        return filled

    @torch.no_grad()
    def _decode(self, run: Run, batch: Batch, latents: Tensor) -> Iterator[NDArray[np.uint8]]:
        """Whole canvases, uint8 [H, W, 3], each panel decoded alone as it was encoded."""
        base = run.inputs.base
        if self._vae is None:
            self._vae = load_vae(base).to(run.accelerator.device)
        layout = _cells(run.inputs.datasets[batch.dataset].info)
        panels = {
            name: decode_box(self._vae, latents, box, layout.factor, base).numpy()
            for name, box in layout.cells()
        }
        for number in range(len(latents)):
            yield assemble_pixels(layout, {name: panel[number] for name, panel in panels.items()})


def load_vae(base: Base) -> Any:
    """The base model's VAE in float32."""
    folder, _ = locate_model(base.name, base.revision, ("vae/*",), "vae")
    variant = weights_variant(base.name, folder / "vae")
    return load_network(AutoencoderKL, base.name, folder / "vae", torch.float32, variant)


def load_scheduler(folder: Path) -> Any:
    """The scheduler that a model comes with, of whichever class it is."""
    config = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))
    return getattr(diffusers, config["_class_name"]).from_config(config)


def _cells(info: Mapping[str, Any]) -> Layout:
    """A dataset's canvas with a name of its own for each cell: equal panels are decoded apart."""
    names = tuple(
        tuple(f"{row}.{column}" for column in range(len(panels)))
        for row, panels in enumerate(info["recipe"]["layout"])
    )
    width, height = info["panel_size"]
    return Layout(names, width, height, info["model"]["factor"])


def _spaced(rows: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The rows with white between them."""
    for number, row in enumerate(rows):
        if number:
            yield np.full((_GAP, row.shape[1], 3), 255, np.uint8)
        yield row
