"""From rows to panels: filter, decode, cut to size, and apply the operations of the recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..common.errors import DroppedRowError, RowError
from .findings import Finding
from .fitting import crop_box, fit_image, of_one_shape
from .layout import Layout
from .looks import look_at_pairs, look_at_panels
from .masks.files import MaskFile, check_mask_size
from .masks.rows import fit_masks, read_row_masks
from .narrowed import erase_hidden
from .operations import Operation, Picture, failing_one_row
from .pairs import cut_differently
from .panel_options import Panel
from .pictures.images import Decoded, Size, decode_image
from .recipe import CanvasRecipe
from .row import Row
from .sharing import Origin


@dataclass(frozen=True)
class PreparedRow:
    """The panels of one row at their final size, and what is known of where they come from.

    `panels` are uint8 [height, width, 3] by name, `targets` the names of those that are learned;
    `narrowed` is bool [height, width], the part of the target panel that is
    learned, or None for all of it. `original_sizes` (width, height) and
    `crops` (left, top, right, bottom) are in px of the row's images, by panel; a crop is None
    where an operation changed the geometry before. `origins` are what the panels were made of.
    `findings` are what was seen of the row.
    """

    key: str
    prompt: str
    panels: Mapping[str, NDArray[np.uint8]]
    targets: tuple[str, ...]
    narrowed: NDArray[np.bool_] | None
    original_sizes: Mapping[str, tuple[int, int]]
    crops: Mapping[str, tuple[float, float, float, float] | None]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def erased(self) -> dict[str, NDArray[np.uint8]]:
        """A target that a mask narrows, as context shows it: without what is learned of it."""
        if self.narrowed is None:
            return {}
        return {name: erase_hidden(self.panels[name], self.narrowed) for name in self.targets}

    def without_pixels(self) -> PreparedRow:
        """Drop the pixels once panels are on their way, so that the row waits in little memory."""
        return replace(self, panels={})


@dataclass
class _Draft:
    """A row on its way to a `PreparedRow`; `error` ends the way."""

    row: Row
    error: RowError | None = None
    prompt: str = ""
    images: dict[str, Decoded] = field(default_factory=dict)
    masks: dict[str, MaskFile] = field(default_factory=dict)
    fitted: dict[tuple[str, bool], tuple[Image.Image, Origin]] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    crops: dict[str, tuple[float, float, float, float] | None] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def prepare_rows(
    recipe: CanvasRecipe, layout: Layout, rows: Sequence[Row], whole: Collection[str] | None = None
) -> list[PreparedRow | RowError]:
    """Make the panels of some rows, in order; a row that cannot be made gives its error.

    Operations see the panels of all rows at once, so that those with a model run in batches.
    `whole` are the columns whose images are decoded at full size, by default those that need it.

    Raises:
        ModelError: when an operation's model cannot be loaded.
    """
    if whole is None:
        whole = [panel.from_ for panel in recipe.panels.values() if needs_all(recipe, panel.from_)]
    drafts = [_begin(recipe, layout, row, whole) for row in rows]
    for name, panel in recipe.panels.items():
        for draft in _alive(drafts):
            _cut(recipe, layout, name, panel, draft)
        for operation in panel.apply:
            if operation.stage == "pixels":
                _run(operation, name, _alive(drafts))
    return [_finish(recipe, draft) for draft in drafts]


def needs_all(recipe: CanvasRecipe, column: str) -> bool:
    """Whether an image must be decoded at full size: masks, changes of geometry and labels ask."""
    panels = [name for name, panel in recipe.panels.items() if panel.from_ == column]
    return any(
        any(mask not in recipe.drawn_masks for mask in recipe.masks_of(name))
        or any(step.stage == "geometry" for step in recipe.panels[name].apply)
        or recipe.panels[name].kind == "labels"
        for name in panels
    )


def seed_of(*parts: object) -> int:
    """A seed in 0 .. 2**63 - 1 that follows from the parts, alike on every machine."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def digest_of(pixels: NDArray[np.uint8]) -> bytes:
    """A digest that tells a panel, [height, width, 3], from all that are not equal to it."""
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def noise_seed(seed: int, digest: bytes) -> int:
    """The seed of the noise with which a panel is encoded, in a recipe with ``latent: sample``."""
    return seed_of(seed, digest.hex())


def _alive(drafts: Sequence[_Draft]) -> list[_Draft]:
    return [draft for draft in drafts if draft.error is None]


def _begin(recipe: CanvasRecipe, layout: Layout, row: Row, whole: Collection[str]) -> _Draft:
    draft = _Draft(row, error=row.error, findings=list(row.findings))
    if draft.error is None:
        try:
            recipe.check_values(row.values)
            seed, template = seed_of(recipe.seed, row.key, "prompt"), recipe.template
            draft.prompt = template.fill(row.values, seed)
            draft.findings += [
                Finding("default-prompt", f"column {name}")
                for name in template.defaulted(row.values)
            ]
            for column in dict.fromkeys(panel.from_ for panel in recipe.panels.values()):
                at_least = None if column in whole else (layout.width, layout.height)
                decoded = draft.images[column] = _decode(recipe, row, column, at_least)
                draft.findings += (found.of(f"column {column!r}") for found in decoded.findings)
            _check_alignment(recipe, draft)
            sizes = {name: decoded.original_size for name, decoded in draft.images.items()}
            draft.findings += cut_differently(recipe, sizes)
            draft.masks = read_row_masks(recipe, row)
            draft.findings += [found for file in draft.masks.values() for found in file.findings]
        except RowError as error:
            draft.error = error
    return draft


def _decode(recipe: CanvasRecipe, row: Row, column: str, at_least: Size | None) -> Decoded:
    value = row.values.get(column)
    if not isinstance(value, str | bytes | Image.Image):
        raise RowError("read", f"column {column!r} has no image")
    accept = partial(recipe.check_size, column)
    try:
        return decode_image(
            value,
            background=recipe.background,
            at_least=at_least,
            value_range=recipe.range_of(column),
            accept=accept,
        )
    except DroppedRowError:
        raise
    except RowError as error:
        raise RowError(error.stage, f"column {column!r}: {error.reason}") from error


def _check_alignment(recipe: CanvasRecipe, draft: _Draft) -> None:
    """Images that must align may differ in scale only."""
    for first, second in zip(recipe.align, recipe.align[1:], strict=False):
        a, b = draft.images[first].original_size, draft.images[second].original_size
        if not of_one_shape(a, b):
            raise RowError(
                "decode",
                f"columns {first!r} ({a[0]} x {a[1]} px) and {second!r} ({b[0]} x {b[1]} px) must "
                "align but differ in shape; give images of one shape or remove them from align",
            )


def _cut(recipe: CanvasRecipe, layout: Layout, name: str, panel: Panel, draft: _Draft) -> None:
    """Bring one panel to its size; panels of the same origin share the work."""
    decoded, size, fit = draft.images[panel.from_], (layout.width, layout.height), recipe.fit
    geometry = tuple(step for step in panel.apply if step.stage == "geometry")
    try:
        masks = {
            column: check_mask_size(draft.masks[column].mask, decoded.original_size, column)
            for column in recipe.masks_of(name)
            if column in draft.masks
        }
        nearest = panel.has_labels(decoded.has_palette)
        picture = Picture(decoded.image, masks, seed_of(recipe.seed, draft.row.key), nearest)
        for step in geometry:
            with failing_one_row(f"panel {name!r}: {step.name}"):
                picture = step.apply(picture)
        fitted, found = fit_masks(recipe, name, picture.masks, size)
        draft.findings += found
    except RowError as error:
        draft.error = error
        return
    draft.crops[name] = None if geometry else crop_box(decoded.original_size, size, fit)
    made = None if geometry else draft.fitted.get((panel.from_, nearest))
    if made is None:
        image = fit_image(
            picture.image, size, fit=fit, background=recipe.background, nearest=nearest
        )
        made = image, Origin.of(image, draft.row.values[panel.from_])
    if not geometry:
        draft.fitted[panel.from_, nearest] = made
    image, draft.origins[name] = made
    drawn = {
        mask: recipe.drawn_masks[mask].draw(size, _rng(recipe, draft.row, mask))
        for mask in recipe.masks_of(name)
        if mask not in fitted
    }
    draft.pictures[name] = Picture(
        image=image,
        masks=fitted | drawn,
        seed=seed_of(recipe.seed, draft.row.key, name),
        nearest=nearest,
    )


def _rng(recipe: CanvasRecipe, row: Row, mask: str) -> np.random.Generator:
    """The random numbers that a mask is drawn with: alike for all panels of a row."""
    return np.random.default_rng(seed_of(recipe.seed, row.key, "mask", mask))


def _run(operation: Operation, panel: str, drafts: Sequence[_Draft]) -> None:
    """Apply one operation to a panel of all rows; when the batch fails, find the rows that do."""
    if not drafts:
        return
    before = [draft.pictures[panel] for draft in drafts]
    try:
        with failing_one_row(operation.name):
            pictures = operation.apply_batch(before)
            _check_sizes(operation.name, before, pictures)
    except RowError as error:
        if len(drafts) > 1:
            for draft in drafts:
                _run(operation, panel, [draft])
        else:
            drafts[0].error = RowError(error.stage, f"panel {panel!r}: {error.reason}")
        return
    for draft, picture in zip(drafts, pictures, strict=True):
        draft.pictures[panel] = picture


def _check_sizes(name: str, before: Sequence[Picture], after: Sequence[Picture]) -> None:
    for old, new in zip(before, after, strict=True):
        if old.image.size != new.image.size:
            raise RowError(
                "operation",
                f"{name} changed the size from {old.image.size} to {new.image.size} px; only an "
                'operation with stage = "geometry" may',
            )


def _finish(recipe: CanvasRecipe, draft: _Draft) -> PreparedRow | RowError:
    narrowed = None
    if draft.error is None and recipe.target.mask is not None:
        mask = draft.pictures[recipe.target.panels[0]].masks[recipe.target.mask]
        narrowed = np.asarray(mask) > 0
        if not narrowed.any():
            reason = f"mask {recipe.target.mask!r} leaves nothing of the target; mend it"
            draft.error = RowError("mask", reason)
    if draft.error is not None:
        return draft.error
    panels = {name: np.asarray(picture.image) for name, picture in draft.pictures.items()}
    targets = _targets(recipe, draft.row.key)
    shown = {column: image for (column, _), (image, _) in draft.fitted.items()}
    draft.findings += look_at_pairs(recipe.align, shown)
    draft.findings += look_at_panels(panels, targets)
    return PreparedRow(
        key=draft.row.key,
        prompt=draft.prompt,
        panels=panels,
        targets=targets,
        narrowed=narrowed,
        original_sizes={
            name: draft.images[panel.from_].original_size for name, panel in recipe.panels.items()
        },
        crops=draft.crops,
        origins=draft.origins,
        findings=tuple(draft.findings),
    )


def _targets(recipe: CanvasRecipe, key: str) -> tuple[str, ...]:
    """The target panels of a row: all of the recipe's, or as many as it lets draw."""
    panels, choose = recipe.target.panels, recipe.target.choose
    if choose is None:
        return panels
    rng = np.random.default_rng(seed_of(recipe.seed, key, "target"))
    count = int(rng.integers(choose[0], choose[1] + 1))
    chosen = set(rng.permutation(len(panels))[:count].tolist())
    return tuple(name for number, name in enumerate(panels) if number in chosen)
