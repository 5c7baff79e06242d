"""Opening compiled datasets for training: what they hold, and whether they go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError

from ..backbones.backbone import Backbone
from ..common.errors import DatasetError, SettingsError
from ..dataset.info import DatasetInfo, read_finished_info
from ..dataset.names import DATASET, NULL_PROMPT
from ..dataset.null_prompt import read_null_prompt
from ..dataset.samples import SampleTable, read_samples
from ..dataset.stores.cache import CacheSettings
from ..dataset.stores.revision import without_commit
from ..dataset.stores.store import Store, open_store


@dataclass(frozen=True, eq=False)
class Canvases:
    """A compiled dataset, opened for training.

    `info` is its dataset.json, `backbone` the kind of model that it is for. `empty_prompt` are the
    empty prompt's embeddings, by name.
    """

    store: Store
    info: DatasetInfo
    backbone: Backbone
    samples: SampleTable
    empty_prompt: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def name(self) -> str:
        """The name that the user gave."""
        return self.store.name


def open_canvases(path: str | Path, cache: CacheSettings | None = None) -> Canvases:
    """Open a dataset in a folder, or at any URL that fsspec knows.

    Raises:
        DatasetError: when there is none, or it is unfinished, damaged, or of a newer format, or
            of an older one in which the context tells what is to be learned.
    """
    store = open_store(path, cache or CacheSettings())
    info = read_finished_info(store.metadata(DATASET).parent, store.name)
    if leak := info.leak:
        raise DatasetError(f"{store.name}: {leak}")
    try:
        known = info.checksums.get(NULL_PROMPT)
        empty_prompt = read_null_prompt(store.metadata(NULL_PROMPT, sha256=known))
    except (OSError, SafetensorError, ValueError) as error:
        raise DatasetError(
            f"{store.name}/{NULL_PROMPT}: cannot be read ({error}); compile again to restore it"
        ) from error
    try:
        backbone = info.backbone
    except ValueError as error:
        raise DatasetError(
            f"{store.name}: it was compiled for another kind of model: {error}"
        ) from error
    samples = read_samples(store, info.totals.shards, info.checksums)
    return Canvases(store, info, backbone, samples, empty_prompt)


def check_same_latents(datasets: Sequence[Canvases]) -> None:
    """Refuse to mix datasets that were not made for the same model.

    Raises:
        SettingsError: naming both datasets and what differs.
    """
    first = datasets[0]
    model = dict(first.info.model)
    for other in datasets[1:]:
        for what, ours, theirs in (
            *(
                (f"model.{key}", value, getattr(other.info.model, key, None))
                for key, value in model.items()
            ),
            ("text embeddings", _shapes(first), _shapes(other)),
        ):
            if ours != theirs:
                raise SettingsError(
                    f"{first.name} and {other.name} were not made for the same model: {what} is "
                    f"{ours} in the first and {theirs} in the second; compile one of them again"
                )


def _shapes(dataset: Canvases) -> dict[str, list[int]]:
    """The shapes of a prompt's arrays."""
    return {name: list(array.shape) for name, array in dataset.empty_prompt.items()}


def labels(datasets: Sequence[Canvases]) -> list[str]:
    """Labels of datasets in figures: the last part of their names, each made unique."""
    names = [Path(without_commit(dataset.name)).resolve().name for dataset in datasets]
    counts = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}-{n + 1}" if n else name for name, n in zip(names, counts, strict=True)]
