"""dataset.json: what a dataset says of itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..backbones.model import Model
from ..canvas.layout import Layout
from ..common.files import digest
from ..common.secrets import public_data, public_recipe
from ..dataset.info import DatasetInfo, count
from ..dataset.info_parts import EncoderInfo, LatentsInfo, ModelInfo
from ..dataset.members import LATENTS
from .fingerprint import format_version
from .recipe import Recipe

#: Libraries that can change the bytes of a dataset.
_LIBRARIES = (
    "onepic",
    "torch",
    "diffusers",
    "transformers",
    "controlnet-aux",
    "opencv-python-headless",
    "pillow",
    "numpy",
)


def describe(
    recipe: Recipe, layout: Layout, model: Model, parts: Mapping[str, Any], device: str
) -> DatasetInfo:
    """dataset.json as it stands while the shards are being made."""
    width, height = layout.latent_size
    totals, filters = count((), (item.label for item in recipe.filters))
    return DatasetInfo(
        format_version=format_version(recipe),
        complete=False,
        task=recipe.task,
        recipe=public_recipe(recipe.model_dump(mode="json", by_alias=True)),
        fingerprint=digest(parts),
        fingerprint_parts=parts,
        panel_size=(layout.width, layout.height),
        canvas_size=layout.canvas_size,
        latents=LatentsInfo(
            shape=(model.channels, height, width),
            dtype=str(LATENTS.dtype),
            distribution=recipe.latent,
        ),
        model=ModelInfo(
            name=public_data(model.name),
            revision=model.revision,
            factor=model.factor,
            scaling_factor=model.scaling_factor,
            shift_factor=model.shift_factor,
        ),
        encoder=EncoderInfo(device=device, threads=os.cpu_count() or 1),
        versions=library_versions(),
        totals=totals,
        filters=filters,
    )


def library_versions() -> dict[str, str | None]:
    """The installed versions of the libraries that can change the bytes of a dataset."""
    return {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
