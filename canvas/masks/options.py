"""Options of a mask column whose files do not say themselves what they mark."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from ...common.named import Named
from ..operations.colour import Colour

#: A palette's index or a grey value; or, in a file of colours, a colour.
Label = int | Colour


class ReadMask(Named):
    """How the files of a mask column are read: by one of three keys, or as the files say it."""

    name: ClassVar[str] = "read"

    labels: tuple[Label, ...] | None = Field(
        default=None,
        min_length=1,
        description="The values that mark: indices of a palette, grey values as the file has them, "
        "or colours.",
    )
    alpha: Literal["transparent", "opaque"] | None = Field(
        default=None, description="The part that marks, in files with transparency."
    )
    threshold: float | None = Field(
        default=None,
        description="The least value that marks, as the file has them: 0 to 255 with 8 bits. Of "
        "colours it is the luminance, and transparent parts are black.",
    )
    invert: bool = Field(default=False, description="Exchange what is marked and what is not.")
    allow: tuple[Literal["empty", "full"], ...] = Field(
        default=(),
        description="Rows to keep whose mask marks nothing (empty) or everything (full).",
    )

    @model_validator(mode="after")
    def _check_choice(self) -> ReadMask:
        given = [key for key in ("labels", "alpha", "threshold") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; keep one of them")
        return self
