"""The recipe of a task: its panels, how they are made, and how they lie on the canvas.

It is the half of a recipe that the compiler and the sampler share: the compiler adds where rows
come from, which are wanted, and for which model they are encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ..common.strict import Strict, suggest
from .masks.drawn import AnyMask, DrawnMask
from .masks.options import ReadMask
from .operations.colour import Colour
from .panel_options import Panel, check_readings
from .pictures.images import Size
from .pictures.value_range import ValueRange
from .prompt import PromptTemplate
from .row import Columns, Value

#: The keys of a compiler's recipe that say nothing of a canvas.
OF_COMPILING = (
    "source",
    "filters",
    "model",
    "revision",
    "panel_size",
    "limit",
    "samples_per_shard",
    "max_rejected",
)


def _check_prompt(text: str) -> str:
    PromptTemplate.parse(text)
    return text


class Target(Strict):
    """The panels that are learned; everything else on the canvas is context."""

    panels: tuple[str, ...] = Field(min_length=1)
    mask: str | None = Field(
        default=None,
        description="A mask column that narrows the target: only what it marks is learned.",
    )
    choose: tuple[int, int] | None = Field(
        default=None,
        description="The least and the greatest number of the panels that are the target of a row; "
        "which ones is drawn anew for each. By default all are, always.",
    )

    @field_validator("choose", mode="before")
    @classmethod
    def _read_number(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value

    @model_validator(mode="after")
    def _check_choice(self) -> Target:
        if self.choose is not None:
            least, most = self.choose
            if not 1 <= least <= most <= len(self.panels):
                raise ValueError(
                    f"choose: {least} to {most} of {len(self.panels)} panels; expected two rising "
                    f"numbers from 1 to {len(self.panels)}"
                )
            if self.mask is not None:
                raise ValueError("choose: a mask narrows a fixed panel; remove one of the two")
        return self

    @model_validator(mode="before")
    @classmethod
    def _accept_short_forms(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"panels": (data,)}
        if isinstance(data, list | tuple):
            return {"panels": tuple(data)}
        if isinstance(data, dict) and "panel" in data and "panels" not in data:
            rest = {key: value for key, value in data.items() if key != "panel"}
            return {"panels": (data["panel"],), **rest}
        return data


_TARGET_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {
            "type": "object",
            "properties": {"panel": {"type": "string"}, "mask": {"type": "string"}},
            "required": ["panel"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "panels": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "choose": {
                    "anyOf": [
                        {"type": "integer", "minimum": 1},
                        {
                            "type": "array",
                            "items": {"type": "integer"},
                            "minItems": 2,
                            "maxItems": 2,
                        },
                    ]
                },
            },
            "required": ["panels", "choose"],
            "additionalProperties": False,
        },
    ]
}


class CanvasRecipe(Strict):
    """One task: its panels, their layout, what is learned, and the prompt."""

    task: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="A short name; the dataset is data/TASK unless --output says otherwise.",
    )
    panels: dict[str, Panel] = Field(min_length=1, description="The panels by name.")
    masks: dict[str, AnyMask] = Field(
        default={},
        description="Masks by name: drawn anew for each row (box, brush, border), or columns of "
        "the source and how they are read (read).",
    )
    layout: tuple[tuple[str, ...], ...] = Field(
        min_length=1, description="Rows of panel names, as the canvas looks."
    )
    target: Annotated[Target, WithJsonSchema(_TARGET_SCHEMA)] = Field(
        description="The panel that is learned: a name, several, or a panel with a mask column."
    )
    prompt: Annotated[str, AfterValidator(_check_prompt)] = Field(
        default="", description="Text with columns in braces: {caption} or {caption|default}."
    )
    fit: Literal["cover", "contain", "stretch"] = Field(
        default="cover", description="Way in which an image of another shape fills its panel."
    )
    background: Colour = Field(
        default=(255, 255, 255),
        description="Colour behind transparency and around contained images.",
    )
    align: tuple[str, ...] = Field(
        default=(), description="Columns whose images show the same scene and get the same crop."
    )
    latent: Literal["mean", "sample"] = Field(
        default="mean",
        description="Latents of a panel: the mean of the VAE's distribution, or a seeded sample.",
    )
    operations: tuple[str, ...] = Field(
        default=(), description="Python files, relative to the recipe, that register operations."
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything random.")

    @model_validator(mode="after")
    def _check_layout(self) -> Self:
        names = [name for row in self.layout for name in row]
        for number, row in enumerate(self.layout, start=1):
            if not row or len(row) != len(self.layout[0]):
                raise ValueError(
                    f"layout: row {number} has {len(row)} panels and row 1 has "
                    f"{len(self.layout[0])}; all rows need the same number"
                )
            for name in row:
                if name not in self.panels:
                    raise ValueError(
                        f"layout: row {number} names an unknown panel {name!r}; "
                        f"{suggest(name, self.panels)}"
                    )
        for name in self.panels:
            if name not in names:
                raise ValueError(
                    f"panels.{name}: the layout does not show this panel; add it there or remove it"
                )
        return self

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        names = [name for row in self.layout for name in row]
        for name in self.target.panels:
            if self.target.panels.count(name) != 1:
                raise ValueError(f"target: panel {name!r} is named twice; name it once")
            if name not in names:
                hint = suggest(name, dict.fromkeys(names))
                raise ValueError(f"target: panel {name!r} is not in the layout; {hint}")
            if names.count(name) > 1:
                raise ValueError(
                    f"target: panel {name!r} is there {names.count(name)} times; the layout must "
                    "show a target exactly once"
                )
        most = self.target.choose[1] if self.target.choose else len(self.target.panels)
        if len(names) == most:
            raise ValueError("target: every panel is a target; leave at least one as context")
        if self.target.mask is not None and len(self.target.panels) > 1:
            raise ValueError("target: a mask narrows one panel; give a single panel")
        return self

    @model_validator(mode="after")
    def _check_readings(self) -> Self:
        check_readings(self.panels)
        return self

    @model_validator(mode="after")
    def _check_align(self) -> Self:
        columns = {panel.from_ for panel in self.panels.values()}
        for name in self.align:
            if name not in columns:
                raise ValueError(
                    f"align: no panel is made from a column {name!r}; {suggest(name, columns)}"
                )
        return self

    @model_validator(mode="after")
    def _check_masks(self) -> Self:
        for name, panel in self.panels.items():
            for step in panel.apply:
                drawn = [mask for mask in step.mask_columns() if mask in self.drawn_masks]
                if drawn and step.stage == "geometry":
                    raise ValueError(
                        f"panels.{name}: {step.name} works before the panel has its size, and the "
                        f"mask {drawn[0]!r} is drawn after; give it a mask column of the source"
                    )
        used = {mask for name in self.panels for mask in self.masks_of(name)}
        for mask in self.masks:
            if mask not in used:
                raise ValueError(
                    f"masks.{mask}: nothing uses this mask; name it in the target or in an "
                    "operation, or remove it"
                )
        return self

    @property
    def template(self) -> PromptTemplate:
        """The prompt, parsed."""
        return PromptTemplate.parse(self.prompt)

    def range_of(self, column: str) -> ValueRange:
        """Which values are black and white in a column that panels show."""
        return next(panel.range_ for panel in self.panels.values() if panel.from_ == column)

    @property
    def drawn_masks(self) -> Mapping[str, DrawnMask]:
        """The masks that are no columns of the source, by name."""
        return {name: mask for name, mask in self.masks.items() if isinstance(mask, DrawnMask)}

    def reading_of(self, mask: str) -> ReadMask:
        """How the files of a mask column are read."""
        options = self.masks.get(mask)
        return options if isinstance(options, ReadMask) else ReadMask()

    def masks_of(
        self, panel: str, stage: Literal["geometry", "pixels"] | None = None
    ) -> tuple[str, ...]:
        """The mask columns that a panel needs, for its operations or as the target's mask.

        With a `stage`, those of its operations only, and the target's mask with ``pixels``.
        """
        steps = [step for step in self.panels[panel].apply if stage in (None, step.stage)]
        columns = [column for step in steps for column in step.mask_columns()]
        is_target = panel in self.target.panels and stage != "geometry"
        if self.target.mask is not None and is_target:
            columns.append(self.target.mask)
        return tuple(dict.fromkeys(columns))

    @property
    def mask_columns(self) -> tuple[str, ...]:
        """The columns of the source whose images are masks."""
        used = dict.fromkeys(mask for name in self.panels for mask in self.masks_of(name))
        return tuple(mask for mask in used if mask not in self.drawn_masks)

    @property
    def columns(self) -> Columns:
        """The columns of a row that canvases are made of."""
        return self._reading({field.column: field.default for field in self.template.fields})

    def _reading(self, texts: Mapping[str, str | None]) -> Columns:
        """The columns of images, and `texts` with their defaults: those that have one may lack."""
        images = [panel.from_ for panel in self.panels.values()]
        return Columns(
            images=tuple(dict.fromkeys([*images, *self.mask_columns])),
            texts=tuple(texts),
            optional_texts=tuple(name for name, default in texts.items() if default is not None),
        )

    def check_values(self, values: Mapping[str, Value]) -> None:
        """Raise a `DroppedRowError` where filters do not want a row; a canvas wants all."""

    def check_size(self, column: str, size: Size) -> None:
        """Check the size (width, height), upright, in px of a column's image, in the same way."""


def canvas_recipe(data: Mapping[str, Any]) -> CanvasRecipe:
    """What a recipe's data say of canvases; the Python files that they name are not run.

    Args:
        data: a whole recipe, as dataset.json and a task card hold it, or its half.

    Raises:
        pydantic.ValidationError: when the data are not a recipe's, or name an operation that is
            not registered.
    """
    half = {key: value for key, value in data.items() if key not in OF_COMPILING}
    return CanvasRecipe.model_validate(half)
