"""Common parts of datasets for try-on: pairs of a person and a garment, listed in a text file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from ....common.errors import SourceError
from ....tables.places import name_of
from .files import read_layout_file
from .preset import Preset


class Pair(NamedTuple):
    """The names of a person's and a garment's file, without folders and suffixes."""

    person: str
    garment: str


class TryOnSource(Preset):
    """Persons, each with the garment that it wears, or with another one to test with."""

    split: Literal["train", "test"] = "train"
    paired: bool = Field(
        default=True,
        description="Pair each person with the garment that it wears; `false` gives the test pairs "
        "of a person and another garment, for which there is no right answer.",
    )

    @model_validator(mode="after")
    def _refuse_unpaired_training(self) -> TryOnSource:
        if self.split == "train" and not self.paired:
            raise ValueError("only the split test has pairs with another garment (paired: false)")
        return self


def read_pairs(place: str, layout: str) -> Iterator[Pair]:
    """The pairs of a file with the names of a person and a garment on each line.

    Raises:
        SourceError: when it is not there or empty, or naming the line that is no pair.
    """
    text = read_layout_file(place, layout)
    if not text.strip():
        raise SourceError(f"{place}: has no pairs; expected two file names on each line")
    for number, line in enumerate(text.splitlines(), 1):
        names = line.split()
        if len(names) == 2:
            yield Pair(*(name_of(name).rpartition(".")[0] or name for name in names))
        elif names:
            raise SourceError(
                f"{place}, line {number}: expected the file names of a person and a garment, "
                f"found {line!r:.60}"
            )
