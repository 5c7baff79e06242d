"""All that shapes the bytes of a dataset, as one number, and what changed when it differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..backbones.model import Model
from ..canvas.layout import Layout
from ..canvas.masks.choice import READING
from ..canvas.operations import Operation
from ..canvas.sizes import BATCH_PIXELS
from ..common.files import sha256, to_json, write_whole
from ..common.secrets import public_data, public_recipe
from ..common.tree import Change, changes
from ..dataset.names import FORMAT_VERSION, STATE
from .recipe import Recipe

#: Keys of a recipe that change which rows are compiled, or where to, but no sample.
_WITHOUT_EFFECT = ("task", "limit", "max_rejected", "model", "revision", "operations", "panel_size")
#: Keys that recipes did not always have, by their paths, and their defaults: a key at its default
#: is no part, so that datasets from before there was one stay what they are. Panels have names, and
#: sources of groups another source inside; see `_generic`.
_LATER: Mapping[tuple[str, ...], Any] = {
    ("filters",): [],
    ("panels", "*", "kind"): "auto",
    ("panels", "*", "range"): "full",
    ("source", "group"): None,
    ("source", "encoding"): None,
    ("source", "delimiter"): None,
    ("source", "quoting"): None,
}
#: Stands for the value of a part that a dataset does not have.
_ABSENT = object()


class Checksums:
    """SHA-256 of files, remembered by size and modification time, so that models are read once."""

    def __init__(self, output: Path) -> None:
        self._path = output / STATE / "checksums.json"
        try:
            self._known: dict[str, str] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            self._known = {}
        self._changed = False

    def of(self, path: Path) -> str:
        """The SHA-256 of a file, in hex."""
        real = path.resolve()
        status = real.stat()
        key = f"{real}|{status.st_size}|{status.st_mtime_ns}"
        if key not in self._known:
            self._known[key] = sha256(real)
            self._changed = True
        return self._known[key]

    def save(self) -> None:
        """Keep what was learned for the next run."""
        if self._changed:
            write_whole(self._path, to_json(self._known))


def format_version(recipe: Recipe) -> int:
    """The version of the datasets of a recipe: the last one that changed what they hold.

    With version 2 the context of a target that a mask narrows no longer shows what is learned.
    """
    return 1 if recipe.target.mask is None else FORMAT_VERSION


def fingerprint_parts(
    recipe: Recipe, recipe_folder: Path, layout: Layout, model: Model, checksums: Checksums
) -> dict[str, Any]:
    """Everything that shapes the bytes of every sample, as plain data.

    Rows are not in it: each carries a stamp of its own.
    """
    plain = public_recipe(recipe.model_dump(mode="json", by_alias=True))
    plain = _without_later_defaults(plain)
    steps = [step for panel in recipe.panels.values() for step in panel.apply]
    parts = {
        "format_version": format_version(recipe),
        "recipe": {key: value for key, value in plain.items() if key not in _WITHOUT_EFFECT},
        "operations": {step.name: step.version for step in steps},
        "operation_files": {n: checksums.of(recipe_folder / n) for n in recipe.operations},
        "operation_models": dict(_operation_models(steps, checksums)),
        "model": {str(path): checksums.of(model.folder / path) for path in model.files()},
        "empty_prompt": "zeros" if model.zero_empty_prompt else "encoded",
        "layout": asdict(layout),
        "dtype": "float16",
        "batch_pixels": BATCH_PIXELS,
    }
    if recipe.mask_columns:
        parts["mask_reading"] = READING
    # As dataset.json gives them back: lists for tuples.
    plain_parts: dict[str, Any] = json.loads(json.dumps(parts))
    return plain_parts


def _without_later_defaults(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's plain data without the keys of `_LATER` that say nothing."""

    def is_at_default(path: tuple[str, ...], value: Any) -> bool:
        return _generic(path) in _LATER and value == _LATER[_generic(path)]

    def walk(data: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        kept = {}
        for key, value in data.items():
            here = (*path, key)
            if not is_at_default(here, value):
                kept[key] = walk(value, here) if isinstance(value, Mapping) else value
        return kept

    return walk(plain, ())


def _generic(path: tuple[str, ...]) -> tuple[str, ...]:
    """A key's path for any panel, and for a source wherever it stands."""
    if path[0] == "panels":
        return (path[0], *("*" for _ in path[1:2]), *path[2:])
    return (path[0], *(name for name in path[1:] if name != "of"))


def _operation_models(
    steps: list[Operation], checksums: Checksums
) -> Iterator[tuple[str, dict[str, str]]]:
    """The files of each model folder that an operation loads; a Hub id stands for itself."""
    for reference in sorted({name for step in steps for name in step.model_references()}):
        folder = Path(reference).expanduser()
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        yield (
            public_data(reference),
            {str(path.relative_to(folder)): checksums.of(path) for path in files},
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each place in which two sets of parts differ: ``recipe.fit: 'cover' is now 'contain'``."""
    return [f"{change.path}: {_what_happened(change)}" for change in changes(old, new, _ABSENT)]


def _what_happened(change: Change) -> str:
    old, new = change.old, change.new
    if new is _ABSENT:
        return f"{_short(old)} is gone"
    if old is _ABSENT:
        return f"{_short(new)} is new"
    if public_data(old) == new:  # as datasets kept addresses once
        return f"{_short(new)} had its user name or its query, which may be secret"
    return f"{_short(old)} is now {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
