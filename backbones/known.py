"""The kinds of models that are known."""

from __future__ import annotations

from ..common.strict import suggest
from .backbone import Backbone
from .sdxl import SDXL

#: By the words in dataset.json. The first is that of datasets which do not say theirs, and of
#: folders without a model_index.json.
BACKBONES: dict[str, Backbone] = {SDXL.name: SDXL}


def register(backbone: Backbone) -> Backbone:
    """Make a kind of model known to all commands of this process.

    Raises:
        ValueError: when another one has its name.
    """
    if BACKBONES.get(backbone.name, backbone) is not backbone:
        raise ValueError(f"backbone {backbone.name!r} is registered twice")
    return BACKBONES.setdefault(backbone.name, backbone)


def first_backbone() -> Backbone:
    """The one that was there before there were others."""
    return next(iter(BACKBONES.values()))


def backbone_named(name: str) -> Backbone:
    """The one with this word.

    Raises:
        ValueError: listing those that there are.
    """
    if name not in BACKBONES:
        raise ValueError(f"no backbone {name!r}; {suggest(name, BACKBONES)}")
    return BACKBONES[name]


def backbone_of(pipeline: str) -> Backbone | None:
    """The one whose pipelines include the class `pipeline`, the longest match of names."""
    found = [
        (len(start), backbone)
        for backbone in BACKBONES.values()
        for start in backbone.pipelines
        if pipeline.startswith(start)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None
