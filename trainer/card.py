"""README.md of a run, as the Hub shows it: what was trained, how, and how the loss went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..backbones.backbone import Backbone
from ..canvas.description import describe_task
from ..common.files import write_whole
from ..dataset.stores.revision import dataset_on_hub
from .metrics import OTHER_CONTEXT, VALIDATION, validation_of

CURVE = "curve.png"
#: What the curve and the card show, and under which names: see `losses_in`.
LOSSES = {
    "loss": "training loss",
    VALIDATION: "validation loss",
    OTHER_CONTEXT: "validation loss in another sample's context",
}
PICTURES = "pictures"


def losses_in(metrics: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The losses of a run's metrics by their names, with what each is called."""
    start = validation_of("")
    found = dict.fromkeys(name for line in metrics for name in line if name.startswith(start))
    return LOSSES | {name: f"validation loss of {name.removeprefix(start)}" for name in found}


def draw_curve(metrics: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot training and validation loss over the steps into a PNG."""
    from io import BytesIO

    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name, label in losses_in(metrics).items():
        points = [(line["step"], line[name]) for line in metrics if name in line]
        if points:
            marker = "." if len(points) < 50 else ""
            axes.plot(*zip(*points, strict=True), label=label, marker=marker)
    axes.set(xlabel="step", ylabel="masked loss")
    if axes.lines:
        axes.legend()
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_whole(path, buffer.getvalue())


def write_card(
    run: Path,
    task_card: Mapping[str, Any],
    settings: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    weights: str,
    backbone: Backbone,
) -> None:
    """Write README.md with the front matter that the Hub reads."""
    base, kind = task_card["base"]["name"], task_card["adapter"]["kind"]
    tasks = task_card["tasks"]
    # The Hub takes names of its own models only; those alone have a revision.
    is_on_hub = task_card["base"]["revision"] is not None
    front = {
        **({"base_model": base} if is_on_hub else {}),
        **({"datasets": on_hub} if (on_hub := _datasets_on_hub(task_card)) else {}),
        "library_name": "diffusers",
        "pipeline_tag": "image-to-image",
        "tags": ["onepic", backbone.tag, kind, *tasks],
    }
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {', '.join(tasks)}",
        f"A {kind} adapter for {base} that fills the target panel of a canvas, trained with onepic "
        "(an implementation of ONE-PIC).",
        *(_describe_task(name, task) for name, task in tasks.items()),
        _describe_use(kind, base, weights, backbone.stock),
        _describe_training(metrics),
        *_describe_pictures(run),
        _describe_data(task_card["datasets"], task_card.get("validation", ())),
        "## Settings\n\n```yaml\n" + yaml.safe_dump(dict(settings), sort_keys=False) + "```",
    ]
    write_whole(run / "README.md", ("\n\n".join(parts) + "\n").encode())


def _describe_task(name: str, task: Mapping[str, Any]) -> str:
    return (
        f"## The task {name}\n\n{describe_task(task['recipe'], task['panel_size'])}\n\n"
        f"Prompt: `{task['recipe']['prompt']}`. Trained on {task['samples']} samples or fewer."
    )


def _datasets_on_hub(task_card: Mapping[str, Any]) -> list[str]:
    found = (dataset_on_hub(dataset["name"]) for dataset in task_card["datasets"])
    return list(dict.fromkeys(name for name in found if name))


def _describe_data(
    datasets: Sequence[Mapping[str, Any]], validation: Sequence[Mapping[str, Any]]
) -> str:
    lines = ["## Data", "", *map(_describe_dataset, datasets)]
    if validation:
        lines += ["", "Validated on, and not trained on:", "", *map(_describe_dataset, validation)]
    return "\n".join(lines)


def _describe_dataset(dataset: Mapping[str, Any]) -> str:
    commit = f" at commit {dataset['commit']}" if dataset["commit"] else ""
    return (
        f"- `{dataset['name']}`{commit}: {dataset['samples']} samples, fingerprint "
        f"`{dataset['fingerprint'][:12]}`"
    )


def _describe_use(kind: str, base: str, weights: str, stock: str) -> str:
    if kind not in ("lora", "rslora", "dora"):
        return f"The weights are in `{weights}`; `task.json` says how the canvas is built."
    return (
        "The weights are a diffusers adapter; `task.json` says how the canvas is built.\n\n"
        "```python\n"
        f'pipe = {stock}.from_pretrained("{base}")\n'
        'pipe.load_lora_weights("path/to/this/folder")\n'
        "```"
    )


def _describe_pictures(run: Path) -> Iterator[str]:
    newest = max((run / PICTURES).glob("step-*.png"), default=None)
    if newest is not None:
        yield (
            "Samples that were never trained on, on the left as the adapter fills them, on the "
            f"right as they should be:\n\n![held-out samples]({PICTURES}/{newest.name})"
        )


def _describe_training(metrics: Sequence[Mapping[str, Any]]) -> str:
    lines = ["## Training", "", f"![loss over steps]({CURVE})"]
    for name, label in losses_in(metrics).items():
        found = [line for line in metrics if name in line]
        if found:
            first, last = found[0], found[-1]
            lines += [
                "",
                f"Masked {label}: {first[name]:.4f} at step {first['step']}, "
                f"{last[name]:.4f} at step {last['step']}.",
            ]
    return "\n".join(lines)
