"""dataset.json: what a dataset says of itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..backbones.model import Model
from ..canvas.layout import Layout
from ..common.errors import OutputError
from ..common.files import digest
from ..common.secrets import public_data, public_recipe
from ..dataset.index import read_header
from ..dataset.info import DatasetInfo, count, read_info
from ..dataset.info_parts import EncoderInfo, LatentsInfo, ModelInfo
from ..dataset.members import LATENTS
from ..dataset.names import DATASET, SHARDS
from .fingerprint import differences, format_version
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
            shape=(model.latents.channels, height, width),
            dtype=str(LATENTS.dtype),
            distribution=recipe.latent,
        ),
        model=ModelInfo(
            name=public_data(model.name),
            revision=model.revision,
            backbone=model.backbone.name,
            factor=model.latents.factor,
            scaling_factor=model.latents.scaling_factor,
            shift_factor=model.latents.shift_factor,
        ),
        encoder=EncoderInfo(device=device, threads=os.cpu_count() or 1),
        versions=library_versions(),
        totals=totals,
        filters=filters,
    )


def kept_info(output: Path) -> DatasetInfo | None:
    """The dataset.json of the shards in a folder; None where none of them holds a sample.

    Raises:
        OutputError: when there are shards of unknown origin.
    """
    info, shards = read_info(output), output / SHARDS
    if info is None and any(shards.glob("*")):
        raise OutputError(f"{output}: holds shards but no {DATASET}; give another --output")
    headers = map(read_header, shards.glob("*.parquet"))
    has_samples = any(header is None or header.samples for header in headers)
    return info if has_samples else None


def carry_on(info: DatasetInfo, kept: DatasetInfo, place: str) -> DatasetInfo:
    """dataset.json of a run that goes on with shards that are `kept`, and what they settled.

    Raises:
        OutputError: when they have another fingerprint; it says what changed and names `place`.
    """
    if kept.fingerprint != info.fingerprint:
        changes = "\n  ".join(differences(kept.fingerprint_parts, info.fingerprint_parts))
        raise OutputError(
            f"{place} holds a dataset made otherwise:\n  {changes}\n"
            f"give another --output, or delete {place} to compile it anew"
        )
    return info.model_copy(update={"encoder": kept.encoder, "versions": kept.versions})


def drift(info: DatasetInfo) -> list[str]:
    """Where this run differs from the one that made the shards that dataset.json describes."""
    now = {"versions": library_versions(), "encoder": {"device": encoding_device()}}
    then = {"versions": info.versions, "encoder": {"device": info.encoder.device}}
    return differences(then, now)


def encoding_device() -> str:
    """The kind of device that will encode, asked without loading torch where there is none."""
    if not Path("/proc/driver/nvidia/version").exists():
        return "cpu"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def library_versions() -> dict[str, str | None]:
    """The installed versions of the libraries that can change the bytes of a dataset."""
    return {name: _version(name) for name in _LIBRARIES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
