"""README.md of a dataset, as the Hub shows it: what it holds, how to load it, how it was made.

A card ends with a checksum of itself. As long as that is right nobody has edited the card, and it
may be written anew; an edited one is its author's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ..canvas.description import describe_task
from ..dataset.info import DatasetInfo
from ..dataset.members import MEMBERS, describe
from ..dataset.names import CANVASES, REJECTED
from ..dataset.remarks import Remark, count_of, remarks_of

CARD = "README.md"
_MARK = "\n<!-- Written by onepic. SHA-256 of the text above: {} -->\n"
#: The Hub's names for sizes, and the number of samples from which they end.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)


def render_card(info: DatasetInfo, stages: Mapping[str, int], place: str | None) -> str:
    """The card of a dataset.

    Args:
        info: its dataset.json.
        stages: the number of rejected rows by the stage that rejected them.
        place: USER/NAME on the Hub; None for a folder, in which the card's code runs as it stands.
    """
    recipe = info.recipe
    parts = [
        f"---\n{yaml.safe_dump(_front(info), sort_keys=False)}---",
        f"# {info.task}",
        f"{info.totals.samples} canvases that teach {info.backbone.title} the task "
        f"{info.task}, with their latents, masks and encoded prompts. They were compiled with "
        "onepic, an implementation of ONE-PIC. The target, outlined in the pictures, is what a "
        "model learns to fill; everything else is what it is given.",
        f"![the first canvases]({CANVASES})",
        "## The task",
        describe_task(recipe, info.panel_size),
        f"Prompt: `{recipe['prompt']}`",
        *_describe_samples(info),
        *_describe_loading(place),
        *_describe_making(info, stages),
        *_describe_findings(remarks_of(info.found or {})),
        "## Recipe\n\n```yaml\n" + yaml.safe_dump(dict(recipe), sort_keys=False) + "```",
        "## Licence\n\nThat of the images it was made from, which onepic cannot know. Name it in "
        "the head of this file.",
    ]
    text = "\n\n".join(parts) + "\n"
    return text + _MARK.format(_checksum(text))


def is_as_written(card: str) -> bool:
    """Whether a card is as `render_card` made it, and nobody has edited it since."""
    text, mark, _ = card.rpartition(_MARK.partition("{")[0])
    return bool(mark) and card == text + _MARK.format(_checksum(text))


def _front(info: DatasetInfo) -> dict[str, Any]:
    samples = info.totals.samples
    return {
        "pretty_name": info.task,
        "license": "unknown",
        "task_categories": ["image-to-image"],
        "size_categories": [next((name for end, name in _SIZES if samples < end), "n>100M")],
        "tags": ["onepic", info.backbone.tag, "webdataset", info.task],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "shards/*.tar"}],
            }
        ],
    }


def _describe_samples(info: DatasetInfo) -> Iterator[str]:
    canvas = " x ".join(map(str, info.canvas_size))
    yield "## What a sample holds"
    yield (
        f"A canvas has {canvas} px. The shards are plain WebDataset tars; a sample has these "
        "members:"
    )
    yield "\n".join(
        [
            "| member | what it is |",
            "|---|---|",
            *(f"| `{m.extension}` | {describe(m, info.latents.shape)} |" for m in MEMBERS),
        ]
    )
    yield (
        "Beside each tar lie its index (`.parquet`: where each member's bytes begin, and the "
        "checksums of the shard) and the embeddings of its prompts (`.text.safetensors`)."
    )


def _describe_loading(place: str | None) -> Iterator[str]:
    where = "" if place else ", from this folder"
    what = f'"{place}"' if place else '"webdataset", data_files="shards/*.tar"'
    yield "## Loading it"
    yield f"With `datasets`{where}:"
    yield _python(
        "from datasets import load_dataset",
        "",
        f'dataset = load_dataset({what}, split="train", streaming=True)',
        "sample = next(iter(dataset))",
        'print(sample["txt"], sample["webp"].size)',
    )
    yield "With `webdataset`:"
    download = (
        "from huggingface_hub import snapshot_download",
        "",
        f'folder = snapshot_download("{place}", repo_type="dataset", allow_patterns="*.tar")',
    )
    yield _python(
        "from glob import glob",
        "",
        "import webdataset",
        *(download if place else ("", 'folder = "."')),
        'tars = sorted(glob(f"{folder}/shards/*.tar"))',
        'for sample in webdataset.WebDataset(tars, shardshuffle=False).decode("pil"):',
        '    print(sample["txt"], sample["latents.npy"].shape, sample["mask.npy"].sum())',
        "    break",
    )
    address = f"hf://datasets/{place}" if place else "."
    yield "With onepic, embeddings of the prompts included:"
    yield _python(
        "from onepic.trainer import CanvasLoader, open_canvases",
        "",
        f'dataset = open_canvases("{address}")',
        "for batch in CanvasLoader([dataset], batch_size=1):",
        "    print(batch.latents.shape, batch.mask.shape, list(batch.texts))",
        "    break",
    )
    name = place.rpartition("/")[2] if place else "NAME"
    yield f"Training on it:\n\n```sh\nonepic-train {address} --output runs/{name}\n```"


def _python(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _describe_making(info: DatasetInfo, stages: Mapping[str, int]) -> Iterator[str]:
    totals, model = info.totals, info.model
    by_stage = ", ".join(f"{count} at {stage}" for stage, count in sorted(stages.items()))
    filters = ", ".join(f"{label} {count}" for label, count in info.filters.items())
    revision = f" at revision {model.revision}" if model.revision else ""
    yield "## How it was made"
    yield "\n".join(
        [
            f"- {totals.samples} samples in {totals.shards} shards, "
            f"{totals.bytes / 1e6:.1f} MB; {totals.prompts} prompts were encoded",
            f"- rejected rows: {totals.rejected}"
            + (f" ({by_stage}); `{REJECTED}` says why" if totals.rejected else ""),
            *([f"- dropped by filters: {totals.dropped} ({filters})"] if filters else []),
            f"- model: `{model.name}`{revision}, whose scaling factor is {model.scaling_factor}",
            f"- encoded on: {info.encoder.device}",
            f"- versions: {', '.join(f'{name} {v}' for name, v in info.versions.items() if v)}",
            f"- format version {info.format_version}, fingerprint `{info.fingerprint}`",
        ]
    )


def _describe_findings(remarks: Sequence[Remark]) -> Iterator[str]:
    """What may be wrong with the data, and how they were understood."""
    for title, is_doubt in (("What may be wrong", True), ("How the data were understood", False)):
        if some := [remark for remark in remarks if remark.is_doubt == is_doubt]:
            yield f"## {title}"
            yield "\n".join(f"- {remark.text}: {_literal(count_of(remark))}" for remark in some)


def _literal(text: str) -> str:
    """A text that Markdown shows as it is."""
    return f"`{text.replace('`', chr(39))}`"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
