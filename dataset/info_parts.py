"""The parts of dataset.json, each a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

T = TypeVar("T")


def _as_it_is(value: T, check: ValidatorFunctionWrapHandler) -> T:
    """The value itself, if it passes: 1 stays 1, and is not written as 1.0."""
    check(value)
    return value


Number = Annotated[float, WrapValidator(_as_it_is)]


class InfoPart(BaseModel):
    """Base of all that dataset.json holds; keys that only another onepic knows are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    def plain(self) -> dict[str, Any]:
        """Plain data in the order of the file: all that was given, and no defaults."""
        return self.model_dump(exclude_unset=True)


class LatentsInfo(InfoPart):
    """The latents of all samples: `shape` is [C, H, W] of the whole canvas."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    dtype: str
    distribution: str


class ModelInfo(InfoPart):
    """The model that the dataset was made for; `factor` is the px along a side of a latent cell.

    Latents are stored as ``(z - shift_factor) * scaling_factor``. `backbone` is the word for the
    kind of model; None is the first kind, from when there was no other.
    """

    name: str
    revision: str | None
    backbone: str | None = None
    factor: PositiveInt
    scaling_factor: Number
    shift_factor: Number = 0.0


class EncoderInfo(InfoPart):
    """The encoder of the first shards: the kind of device, and its threads."""

    device: str
    threads: PositiveInt


class Totals(InfoPart):
    """Sums over the shards; `bytes` are those of tars and embeddings.

    Datasets from before there were filters do not say what was `dropped`.
    """

    shards: NonNegativeInt
    samples: NonNegativeInt
    rejected: NonNegativeInt
    dropped: NonNegativeInt = 0
    panels: NonNegativeInt
    distinct_panels: NonNegativeInt
    prompts: NonNegativeInt
    cut_prompts: NonNegativeInt
    bytes: NonNegativeInt


class FindingInfo(InfoPart):
    """A `Finding` with its `Count`."""

    kind: str
    about: str
    count: NonNegativeInt
    examples: tuple[str, ...]


class RecordedTarget(BaseModel, frozen=True):
    """The panels that are learned, and the mask that narrows them, if one does."""

    panels: tuple[str, ...] = Field(min_length=1)
    mask: str | None = None


class RecordedCanvas(BaseModel, frozen=True):
    """The part of a recipe that readers need; it has the defaults of its own time."""

    layout: tuple[tuple[str, ...], ...] = Field(min_length=1)
    target: RecordedTarget
    panels: Mapping[str, Any]
    prompt: str
    fit: str


def _check_canvas(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    RecordedCanvas.model_validate(recipe)
    return recipe


#: A recipe's plain data as it was written, which has what readers need of it.
RecordedRecipe = Annotated[Mapping[str, Any], AfterValidator(_check_canvas)]
