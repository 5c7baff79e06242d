"""A run that is ready for its next step: everything is loaded, checked and on its device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin
from diffusers.training_utils import EMAModel

from ..backbones.model import Model
from ..common.errors import SettingsError
from ..dataset.samples import Numbers
from ..dataset.stores.cache import CacheSettings
from ..dataset.stores.revision import commit_of
from .adapter import add_adapter, trainable
from .base import check_fits, open_base
from .canvases import Canvases, check_same_latents, labels, open_canvases
from .division import GROUPS, Division, divide, validate_on
from .fetch_ahead import window_of
from .loader import CanvasLoader
from .optimizer import make_optimizer, make_schedule
from .settings import Settings
from .skipped import find_skipped
from .state import State
from .step import Objective
from .stopwatch import Stopwatch
from .validation import Validation, lenders


@dataclass(frozen=True)
class Inputs:
    """The datasets of a run, and the model that they were made for.

    `division` says what of `datasets` is trained on, and what is validated on. Those samples of
    `training` that are also in `skipped` are not trained on; `held_out` has none of these.
    """

    datasets: tuple[Canvases, ...]
    base: Model
    division: Division
    skipped: tuple[Numbers, ...]

    @property
    def training(self) -> tuple[Numbers, ...]:
        """The numbers of the samples to train on, for each of `datasets`."""
        return self.division.training

    @property
    def held_out(self) -> tuple[Numbers, ...]:
        """The numbers of the samples to validate on, for each of `validation`."""
        return self.division.held_out

    @property
    def validation(self) -> tuple[Canvases, ...]:
        """The datasets that are validated on."""
        return self.division.validation


@dataclass(frozen=True)
class Run:
    """All that a training loop needs.

    `wrapped` is the network as accelerate wrapped it, `network` the one inside.
    """

    settings: Settings
    output: Path
    accelerator: Accelerator
    inputs: Inputs
    wrapped: Any
    network: Any
    state: State
    objective: Objective
    validation: Validation | None

    def loader(self) -> CanvasLoader:
        """This rank's batches from the current step on."""
        return CanvasLoader(
            self.inputs.datasets,
            self.settings.batch_size,
            seed=self.settings.seed,
            rank=self.accelerator.process_index,
            ranks=self.accelerator.num_processes,
            first=self.state.step * self.settings.accumulation,
            weights=self.settings.weights,
            parts=self.inputs.training,
            skipped=self.inputs.skipped,
            prompt_dropout=self.settings.prompt_dropout,
            context_dropout=self.settings.context_dropout,
            pin=self.accelerator.device.type == "cuda",
        )

    def identity(self) -> dict[str, Any]:
        """Plain data that a resumed run must share with this one."""
        inputs = self.inputs
        own = {"validation": list(map(_identity_of, inputs.validation))}
        return {
            # What is skipped changes none of the other samples' places: see `skipped.stand_ins`.
            "settings": self.settings.model_dump(mode="json", exclude={"skip_samples"}),
            "datasets": [
                {
                    **_identity_of(dataset),
                    "shuffled_shards": window_of(dataset, len(inputs.datasets)),
                    # Runs from before there was another rule do not say theirs.
                    **({"held_out": rule} if rule == GROUPS else {}),
                }
                for dataset, rule in zip(inputs.datasets, inputs.division.rules, strict=True)
            ],
            **(own if self.settings.validation is not None else {}),
            "base": {"name": self.inputs.base.name, "revision": self.inputs.base.revision},
            "processes": self.accelerator.num_processes,
            "precision": self.accelerator.mixed_precision,
        }


def _identity_of(dataset: Canvases) -> dict[str, Any]:
    commit = commit_of(dataset.name)
    return {
        "fingerprint": dataset.info.fingerprint,
        "samples": len(dataset),
        **({"commit": commit} if commit else {}),
    }


def open_inputs(
    paths: Sequence[str | Path],
    settings: Settings,
    cache: CacheSettings,
    rules: Sequence[str] = (),
) -> Inputs:
    """Open the datasets and their model, and check that they go together; loads no weights.

    `rules` are those of the checkpoint to go on from: see `division.divide`.

    Raises:
        SettingsError: when they do not, or there are too few samples.
        DatasetError: when a dataset cannot be used.
        ModelError: when the model cannot be found.
    """
    datasets = tuple(open_canvases(path, cache) for path in paths)
    if settings.weights is not None and len(settings.weights) != len(datasets):
        raise SettingsError(
            f"weights: {len(settings.weights)} weights for {len(datasets)} datasets; give one each"
        )
    validation = tuple(open_canvases(path, cache) for path in settings.validation or ())
    check_same_latents([*datasets, *validation])
    made_for = datasets[0].info.model
    name = settings.model or made_for.name
    base = open_base(name, settings.revision if settings.model else made_for.revision)
    for dataset in (*datasets, *validation):
        check_fits(base, dataset)
    count = settings.validation_samples
    if validation:
        division = validate_on(validation, datasets, count)
    else:
        division = divide(datasets, count, rules)
    skipped = find_skipped(datasets, settings.skip_samples, validation)
    of_validation = skipped[len(datasets) :] if validation else skipped
    return Inputs(datasets, base, division.without(of_validation), tuple(skipped[: len(datasets)]))


def open_accelerator(settings: Settings, output: Path) -> Accelerator:
    """The devices and their precision, as `accelerate launch` or the settings say.

    Raises:
        SettingsError: for fp16 without a GPU.
    """
    precision: str = settings.precision
    if precision == "auto":
        capable = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        # `accelerate launch` says "no" also where its user said nothing.
        told = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
        precision = "bf16" if told == "no" and capable else told
    # Accelerate keeps the precision of a process's first run, and would refuse another in the next.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=precision,
        # As a plugin: a bare number gives way to an environment variable of `accelerate launch`.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=settings.accumulation),
        log_with=None if settings.tracker == "none" else settings.tracker,
        project_dir=str(output),
    )
    if precision == "fp16" and accelerator.device.type == "cpu":
        raise SettingsError("precision: fp16 needs a GPU, and here is none; set it to bf16 or no")
    return accelerator


def check_enough_samples(inputs: Inputs, settings: Settings, processes: int) -> None:
    """Refuse a dataset that does not fill a step.

    Raises:
        SettingsError: naming the counts.
    """
    needed = settings.batch_size * processes
    for dataset, samples in zip(inputs.datasets, inputs.training, strict=True):
        if len(samples) < needed:
            raise SettingsError(
                f"{dataset.name}: {len(samples)} samples to train on ({len(dataset)} less those "
                f"held out), and batch_size {settings.batch_size} on {processes} processes takes "
                f"{needed}; lower batch_size or compile more samples"
            )


def prepare(
    inputs: Inputs, settings: Settings, output: Path, accelerator: Accelerator, watch: Stopwatch
) -> Run:
    """Load the network, add the adapter and the optimizer, and place them on the devices.

    Raises:
        ModelError: when the network cannot be loaded.
        SettingsError: when an adapter's target is not in it, or an optimizer is not installed.
    """
    adapter = settings.adapter.on(inputs.base.backbone)
    settings = settings.model_copy(update={"adapter": adapter})
    objective = Objective.of(inputs.base, settings, accelerator.device)
    network = inputs.base.load(inputs.base.backbone.network, _base_dtype(settings, accelerator))
    watch.lap("network")
    add_adapter(network, settings.adapter, settings.seed)
    if settings.gradient_checkpointing:
        network.enable_gradient_checkpointing()
    network.to(accelerator.device)
    network.train()
    parameters = trainable(network)
    optimizer = make_optimizer(parameters.values(), settings)
    schedule = make_schedule(optimizer, settings)
    if settings.compile:
        network.compile()
    wrapped, prepared = accelerator.prepare(network, optimizer)
    average = EMAModel(parameters.values(), settings.ema, foreach=True) if settings.ema else None
    watch.lap("adapter and optimizer")
    state = State(parameters, prepared, schedule, average, accelerator.scaler)
    validation = _validation(inputs, settings, accelerator)
    return Run(
        settings, output, accelerator, inputs, wrapped, network, state, objective, validation
    )


def _base_dtype(settings: Settings, accelerator: Accelerator) -> torch.dtype:
    """Frozen weights are kept in the precision that they are used in, trained ones in full."""
    if settings.adapter.kind == "full":
        return torch.float32
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return dtypes.get(str(accelerator.mixed_precision), torch.float32)


def _validation(inputs: Inputs, settings: Settings, accelerator: Accelerator) -> Validation | None:
    if not sum(map(len, inputs.held_out)):
        return None
    own, others = (
        CanvasLoader(
            inputs.validation,
            settings.batch_size,
            rank=accelerator.process_index,
            ranks=accelerator.num_processes,
            parts=parts,
            once=True,
            pin=accelerator.device.type == "cuda",
        )
        for parts in (
            inputs.held_out,
            lenders(inputs.validation, inputs.held_out, inputs.division.sets),
        )
    )
    names, are_own = labels(inputs.validation), inputs.validation != inputs.datasets
    return Validation(own, others, inputs.held_out, names, accelerator, are_own)
