"""Options of a panel: the column that it shows, how that is read, and what is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from ..common.named import dump_named
from ..common.strict import Strict
from .operations import NOTATION, Operation
from .pictures.value_range import ValueRange

AnyOperation = Annotated[
    Operation,
    BeforeValidator(NOTATION.read),
    PlainSerializer(dump_named),
    NOTATION,
]


class Panel(Strict):
    """A part of the canvas: a column of the source, and what is done to it."""

    from_: str = Field(alias="from", description="The source's column that the panel shows.")
    apply: tuple[AnyOperation, ...] = Field(
        default=(), description="Operations in the order in which they are applied."
    )
    kind: Literal["auto", "picture", "labels"] = Field(
        default="auto",
        description="Kind of image: `picture` is scaled smoothly, `labels` without mixing colours; "
        "`auto` takes a file with a palette for labels.",
    )
    range_: ValueRange = Field(
        default="full",
        alias="range",
        description="Values of a grey file that are black and white: `full` for all that its bits "
        "can hold, `minmax` for the least and the greatest of each file, or two numbers.",
    )

    def has_labels(self, has_palette: bool) -> bool:
        """Whether colours stand for things and must not be mixed, in a file with a palette or not.

        That is what recipes say, or what the file lets suppose.
        """
        return self.kind == "labels" or (self.kind == "auto" and has_palette)


def check_readings(panels: Mapping[str, Panel]) -> None:
    """See that panels of one column read it alike: it is decoded once for all of them.

    Raises:
        ValueError: naming the panels, the key and both values.
    """
    readers: dict[str, str] = {}
    for name, panel in panels.items():
        other = readers.setdefault(panel.from_, name)
        for key, field in (("kind", "kind"), ("range", "range_")):
            mine, theirs = getattr(panel, field), getattr(panels[other], field)
            if mine != theirs:
                raise ValueError(
                    f"panels.{name}: {key} is {mine!r}, but panels.{other} shows the same column "
                    f"{panel.from_!r} with {theirs!r}; give both the same"
                )
