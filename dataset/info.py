"""dataset.json: what is said of a dataset as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..common.errors import DatasetError
from .index import ShardHeader
from .names import DATASET, FORMAT_VERSION


def read_finished_info(folder: Path, name: str) -> dict[str, Any]:
    """What the dataset.json in `folder` holds; errors call the dataset `name`.

    Raises:
        DatasetError: when there is none, it is unfinished, or of a newer format.
    """
    info = read_known_info(folder, name)
    if not info["complete"]:
        raise DatasetError(f"{name}: {unfinished(name)}")
    return info


def unfinished(name: str) -> str:
    """What to say of an unfinished dataset, by the place that it lies in."""
    if name.startswith("hf://"):  # dataset.json does not say which of the two sends it
        return "it is not complete; run the onepic-compile or onepic-publish again that makes it"
    return "compiling it has not finished; run onepic-compile again"


def read_known_info(folder: Path, name: str) -> dict[str, Any]:
    """As `read_finished_info`, but of an unfinished dataset too.

    Raises:
        DatasetError: when there is none, or it is of a newer format.
    """
    info = read_info(folder)
    if info is None:
        raise DatasetError(f"{name}: no {DATASET} there; expected a dataset made by onepic-compile")
    if info["format_version"] > FORMAT_VERSION:
        raise DatasetError(
            f"{name}: format version {info['format_version']} is newer than this onepic reads "
            f"({FORMAT_VERSION}); upgrade onepic"
        )
    return info


def leak_of(info: Mapping[str, Any], name: str) -> str | None:
    """Why nothing must be trained on the dataset `name`, by its dataset.json; None if all is well.

    Before format version 2 the context of a target that a mask narrows was encoded together with
    what the mask hides.
    """
    target = info.get("recipe", {}).get("target", {})
    if info["format_version"] >= 2 or target.get("mask") is None:
        return None
    return (
        f"{name}: format version {info['format_version']}, in which the context of the panel "
        f"{target['panels'][0]!r} tells what the mask {target['mask']!r} hides, so that a model "
        "would learn to copy it; compile it anew: onepic-compile RECIPE.yaml --output "
        "NEW_FOLDER"
    )


def read_info(folder: Path) -> dict[str, Any] | None:
    """What dataset.json holds; None where there is none.

    Raises:
        DatasetError: when it is not the JSON that the compiler writes.
    """
    path = folder / DATASET
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(info, dict) or not {"format_version", "complete", "totals"} <= set(info):
        raise DatasetError(f"{path}: not a dataset.json of onepic")
    return info


def count(headers: Iterable[ShardHeader], filters: Iterable[str]) -> dict[str, dict[str, int]]:
    """The `totals` over a dataset's shards, and the rows that each of its `filters` drops.

    `bytes` are those of tars and embeddings; filters are known by their labels.
    """
    drops = dict.fromkeys(filters, 0)
    totals = dict.fromkeys(
        (
            "shards",
            "samples",
            "rejected",
            "dropped",
            "panels",
            "distinct_panels",
            "prompts",
            "cut_prompts",
            "bytes",
        ),
        0,
    )
    for header in headers:
        totals["shards"] += 1
        totals["rejected"] += len(header.rejected)
        for label, rows in header.dropped.items():
            totals["dropped"] += len(rows)
            drops[label] += len(rows)
        totals["bytes"] += sum(record.size for record in header.files.values())
        for name in ("samples", "panels", "distinct_panels", "prompts", "cut_prompts"):
            totals[name] += getattr(header, name)
    return {"totals": totals, "filters": drops}
