"""Prompts of all samples that can be trained on and may yet be wrong."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...canvas.findings import EXAMPLES, Count, Counts, Finding
from ...canvas.prompt import PromptTemplate
from ...common.errors import RowError
from ...dataset.catalogue import Catalogue

#: Samples from which equal prompts are no chance.
_ENOUGH = 3


def look_at_prompts(catalogue: Catalogue) -> Counts:
    """How many samples have the default of the recipe's prompt, or all the same one.

    Nothing is found where the recipe's prompt names no column.
    """
    samples, template = catalogue.samples, _template(catalogue.info.recipe["prompt"])
    if template is None or not template.fields:
        return {}
    columns = ", ".join(f"{{{field.column}}}" for field in template.fields)
    if number := _having(samples, _default_of(template)):
        return {Finding("default-prompt", columns): number}
    if samples.num_rows < _ENOUGH or pc.count_distinct(samples["prompt"]).as_py() > 1:
        return {}
    names = tuple(samples["source"].slice(0, EXAMPLES).to_pylist())
    return {Finding("equal-prompts", columns): Count(samples.num_rows, names)}


def _template(prompt: str) -> PromptTemplate | None:
    """The recipe's prompt; None for one that only another onepic can read."""
    try:
        return PromptTemplate.parse(prompt)
    except ValueError:
        return None


def _default_of(template: PromptTemplate) -> str | None:
    """The prompt of a row without texts; None where such a row has none."""
    try:
        return template.fill({})
    except RowError:
        return None


def _having(samples: pa.Table, prompt: str | None) -> Count | None:
    """How many samples have a prompt; None where none has it."""
    if prompt is None:
        return None
    sources = samples.filter(pc.equal(samples["prompt"], prompt))["source"]
    names = tuple(sources.slice(0, EXAMPLES).to_pylist())
    return Count(len(sources), names) if len(sources) else None
