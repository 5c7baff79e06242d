"""Pictures of samples that are never trained on, drawn while a run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..backbones.model import load_vae
from ..trainer.card import PICTURES
from ..trainer.hold_out import spread
from ..trainer.loader import Batch, CanvasLoader
from ..trainer.run import Run
from .cached import decode_canvases, fill_batch, load_scheduler

_GAP = 8


class HeldOutPictures:
    """Fills the canvases of `count` held-out samples, evenly spread; to be given to `train`.

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
        parts = [part[spread(len(part), self.count)] for part in run.inputs.held_out]
        if not sum(map(len, parts)):
            return None
        loader = CanvasLoader(run.inputs.validation, self.count, parts=parts, once=True, threads=1)
        with closing(loader.batches()) as batches:
            return next(batches).to(run.accelerator.device)

    def _fill(self, run: Run, batch: Batch) -> Tensor:
        def network(seen: Tensor, t: Tensor, batch: Batch) -> Tensor:
            with run.accelerator.autocast():
                return run.objective.predict(run.network, seen, t, batch)

        run.network.eval()
        base = run.inputs.base
        scheduler = load_scheduler(base.folder / "scheduler")
        filled = fill_batch(network, batch, scheduler, base.backbone.sampling, self.steps)
        run.network.train()
        return filled

    def _decode(self, run: Run, batch: Batch, latents: Tensor) -> NDArray[np.uint8]:
        base = run.inputs.base
        if self._vae is None:
            self._vae = load_vae(base.name, base.revision).to(run.accelerator.device)
        layout = run.inputs.validation[batch.dataset].info.layout
        return decode_canvases(self._vae, latents, layout, base.latents)


def _spaced(rows: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The rows with white between them."""
    for number, row in enumerate(rows):
        if number:
            yield np.full((_GAP, row.shape[1], 3), 255, np.uint8)
        yield row
