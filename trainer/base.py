"""The model that is trained, and whether datasets suit it."""

from __future__ import annotations

from ..backbones.model import Model, open_model
from ..common.errors import SettingsError
from .canvases import Canvases


def open_base(name: str, revision: str | None = None) -> Model:
    """Find a model by folder, Hub id or the word ``miniature``; of its weights the network's.

    Raises:
        ModelError: when it cannot be found, is of no known kind, or has no such network.
    """
    return open_model(name, revision, parts=("network",))


def check_fits(base: Model, dataset: Canvases) -> None:
    """Refuse a dataset that was made for another kind of model.

    Raises:
        SettingsError: naming the dataset, the model, and what differs.
    """
    made_for, latents = dataset.info.model, base.latents
    expected = {
        "the kind of model": (dataset.backbone.title, base.backbone.title),
        "scaling factor of latents": (made_for.scaling_factor, latents.scaling_factor),
        "shift of latents": (made_for.shift_factor, latents.shift_factor),
        "latent channels": (dataset.samples.shapes[0][0], latents.channels),
    }
    widths = base.backbone.text_widths(base.network)
    for name, array in dataset.empty_prompt.items():
        if name in widths:
            expected[f"width of the prompts' {name}"] = (array.shape[-1], widths[name])
    for what, (theirs, ours) in expected.items():
        if theirs != ours:
            raise SettingsError(
                f"{dataset.name} was compiled for {made_for.name} and does not suit "
                f"{base.name}: {what} is {theirs} in the dataset and {ours} in the model; train "
                "on the model that it was compiled for, or compile it again with --model"
            )
