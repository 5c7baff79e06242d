"""Files that a run leaves: the adapter, its task card, its settings, a page about it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..common.files import to_json, write_whole
from .card import CURVE, draw_curve, write_card
from .export import write_adapter
from .kohya import write_kohya
from .metrics import read_metrics
from .run import Run
from .task_card import TASK_CARD, make_task_card

SETTINGS = "settings.json"
KOHYA = "kohya.safetensors"


def write_outputs(run: Run, exports: Collection[str]) -> Path:
    """Write everything but checkpoints and metrics; the path of the adapter's weights.

    Each file is whole at any time, so a folder can be sampled from while its run goes on.
    """
    settings, inputs = run.settings, run.inputs
    with run.state.averaged():
        backbone = inputs.base.backbone
        weights = write_adapter(run.output, run.network, settings.adapter, backbone.network.folder)
        if "kohya" in exports:
            write_kohya(run.output / KOHYA, run.network, settings.adapter, backbone)
    others = inputs.validation if settings.validation is not None else ()
    card = make_task_card(inputs.datasets, inputs.base, settings, others)
    write_whole(run.output / TASK_CARD, to_json(card))
    described = describe_settings(run)
    write_whole(run.output / SETTINGS, to_json(described))
    metrics = read_metrics(run.output)
    draw_curve(metrics, run.output / CURVE)
    write_card(run.output, card, described, metrics, weights.name, backbone)
    return weights


def describe_settings(run: Run) -> dict[str, Any]:
    """All settings of a run, with its datasets, in full."""
    return {
        "datasets": [dataset.name for dataset in run.inputs.datasets],
        "processes": run.accelerator.num_processes,
        **run.settings.model_dump(mode="json"),
        "model": run.inputs.base.name,
        "revision": run.inputs.base.revision,
        "precision": run.accelerator.mixed_precision,
    }
