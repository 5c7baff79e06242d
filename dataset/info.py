"""dataset.json: what is said of a dataset as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt, PositiveInt, ValidationError

from ..backbones.backbone import Backbone
from ..backbones.known import backbone_named, first_backbone
from ..canvas.findings import Count, Counts, Finding, to_data
from ..canvas.layout import Layout
from ..common.errors import DatasetError
from ..common.files import to_json
from .index import ShardHeader
from .info_parts import (
    EncoderInfo,
    FindingInfo,
    InfoPart,
    LatentsInfo,
    ModelInfo,
    RecordedCanvas,
    RecordedRecipe,
    Totals,
)
from .names import DATASET, FORMAT_VERSION

_ADVICE = "restore the file from a copy of the dataset, or compile into another folder"
#: Characters of a value that a message shows.
_SHOWN = 60


class DatasetInfo(InfoPart):
    """The content of dataset.json: docs/format.md says what each key means.

    `panel_size` and `canvas_size` are (width, height) in px. Datasets that are not finished have
    neither `findings` nor checksums, and those from before there were any lack them too.
    """

    format_version: PositiveInt
    complete: bool
    task: str
    recipe: RecordedRecipe
    fingerprint: str
    fingerprint_parts: Mapping[str, Any]
    panel_size: tuple[PositiveInt, PositiveInt]
    canvas_size: tuple[PositiveInt, PositiveInt]
    latents: LatentsInfo
    model: ModelInfo
    encoder: EncoderInfo
    versions: Mapping[str, str | None]
    totals: Totals
    filters: Mapping[str, NonNegativeInt] = {}
    findings: tuple[FindingInfo, ...] | None = None
    checksums: Mapping[str, str] = {}
    checksum: str | None = None

    @property
    def canvas(self) -> RecordedCanvas:
        """The recipe's words on all canvases."""
        return RecordedCanvas.model_validate(self.recipe)

    @property
    def backbone(self) -> Backbone:
        """The kind of model that it is for.

        Raises:
            ValueError: when there is none of that name here.
        """
        name = self.model.backbone
        return first_backbone() if name is None else backbone_named(name)

    @property
    def layout(self) -> Layout:
        """Where the panels lie on the canvas."""
        return Layout(self.canvas.layout, *self.panel_size, self.model.factor)

    @property
    def found(self) -> Counts | None:
        """The findings as they were counted; None where they were not."""
        if self.findings is None:
            return None
        return {
            Finding(item.kind, item.about): Count(item.count, item.examples)
            for item in self.findings
        }

    @property
    def leak(self) -> str | None:
        """Why nothing must be trained on the dataset; None if all is well.

        Before format version 2 the context of a target that a mask narrows was encoded together
        with what the mask hides.
        """
        target = self.canvas.target
        if self.format_version >= 2 or target.mask is None:
            return None
        return (
            f"format version {self.format_version}, in which the context of the panel "
            f"{target.panels[0]!r} tells what the mask {target.mask!r} hides, so that a "
            "model would learn to copy it; compile it anew: onepic-compile RECIPE.yaml --output "
            "NEW_FOLDER"
        )

    def completed(self, headers: Iterable[ShardHeader], found: Counts | None = None) -> DatasetInfo:
        """The same of the finished dataset: with what is counted in its shards, and was found."""
        totals, filters = count(headers, self.filters)
        changes: dict[str, Any] = {"complete": True, "totals": totals, "filters": filters}
        if found is not None:
            changes["findings"] = tuple(
                FindingInfo.model_validate(item, strict=False) for item in to_data(found)
            )
        return self.model_copy(update=changes)

    def to_json(self) -> bytes:
        """The bytes of dataset.json."""
        return to_json(self.plain())


def read_finished_info(folder: Path, name: str) -> DatasetInfo:
    """Read the dataset.json in `folder`; errors call the dataset `name`.

    Raises:
        DatasetError: as `read_known_info` does, and when the dataset is unfinished.
    """
    info = read_known_info(folder, name)
    if not info.complete:
        raise DatasetError(f"{name}: {unfinished(name)}")
    return info


def unfinished(name: str) -> str:
    """The remark on an unfinished dataset, by the place that it lies in."""
    if name.startswith("hf://"):  # dataset.json does not say which of the two sends it
        return "it is not complete; run the onepic-compile or onepic-publish again that makes it"
    return "compiling it has not finished; run onepic-compile again"


def read_known_info(folder: Path, name: str) -> DatasetInfo:
    """As `read_finished_info`, but of an unfinished dataset too.

    Raises:
        DatasetError: as `read_info` does, and when there is none.
    """
    info = read_info(folder, name)
    if info is None:
        raise DatasetError(f"{name}: no {DATASET} there; expected a dataset made by onepic-compile")
    return info


def read_info(folder: Path, name: str | None = None) -> DatasetInfo | None:
    """Read dataset.json; None where there is none. By default the folder is its name.

    Raises:
        DatasetError: when it cannot be read, is of a newer format, or has not the keys that the
            compiler writes; it says which is missing or wrong.
    """
    name = name or str(folder)
    try:
        text = (folder / DATASET).read_text(encoding="utf-8")
        data = json.loads(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{name}/{DATASET}: cannot be read as JSON: {error}") from error
    _check_version(data, name)
    try:
        return DatasetInfo.model_validate_json(text)
    except ValidationError as error:
        raise DatasetError(f"{name}/{DATASET}: {_describe(error)}; {_ADVICE}") from error


def _check_version(data: Any, name: str) -> None:
    version = data.get("format_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise DatasetError(f"{name}/{DATASET}: not a dataset.json of onepic")
    if version > FORMAT_VERSION:
        raise DatasetError(
            f"{name}: format version {version} is newer than this onepic reads "
            f"({FORMAT_VERSION}); upgrade onepic"
        )


def _describe(error: ValidationError) -> str:
    """The first key that is wrong: ``model.factor is 'x'; expected a valid integer``."""
    problem = error.errors()[0]
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{key} is missing; expected what onepic-compile writes there"
    found = repr(problem["input"])
    shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
    return f"{key} is {shown}; expected {problem['msg'].removeprefix('Input should be ')}"


def count(headers: Iterable[ShardHeader], filters: Iterable[str]) -> tuple[Totals, dict[str, int]]:
    """The totals over a dataset's shards, and the rows that each of its `filters` drops.

    Filters are known by their labels.
    """
    drops = dict.fromkeys(filters, 0)
    totals = dict.fromkeys(Totals.model_fields, 0)
    for header in headers:
        totals["shards"] += 1
        totals["rejected"] += len(header.rejected)
        for label, rows in header.dropped.items():
            totals["dropped"] += len(rows)
            drops[label] += len(rows)
        totals["bytes"] += sum(record.size for record in header.files.values())
        for name in ("samples", "panels", "distinct_panels", "prompts", "cut_prompts"):
            totals[name] += getattr(header, name)
    return Totals.model_validate(totals), drops
