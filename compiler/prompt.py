"""Prompt templates: text with a row's columns in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import RowError

_FIELD = re.compile(r"\{\{|\}\}|\{([^{}|]*)(?:\|([^{}]*))?\}|[{}]")


@dataclass(frozen=True)
class PromptField:
    """A column named in a template; `default` stands in where the row has no text."""

    column: str
    default: str | None


@dataclass(frozen=True)
class PromptTemplate:
    """A parsed template: literal text and fields, in order."""

    parts: tuple[str | PromptField, ...]

    @classmethod
    def parse(cls, text: str) -> PromptTemplate:
        """Read ``a photo of {caption|something}``; doubled braces stand for themselves.

        Raises:
            ValueError: for a brace without its partner or a field without a name.
        """
        parts: list[str | PromptField] = []
        end = 0
        for match in _FIELD.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match.group() in ("{{", "}}"):
                parts.append(match.group()[0])
            elif match.group(1) and match.group(1).strip():
                parts.append(PromptField(match.group(1).strip(), match.group(2)))
            else:
                raise ValueError(
                    f"{match.group()!r} at character {match.start() + 1} is not a column in "
                    "braces; write {column} or {column|default}, and {{ for a brace"
                )
        return cls(tuple(part for part in (*parts, text[end:]) if part))

    @property
    def fields(self) -> tuple[PromptField, ...]:
        """The columns that the template names, in order."""
        return tuple(part for part in self.parts if isinstance(part, PromptField))

    def fill(self, values: Mapping[str, object], seed: int = 0) -> str:
        """The prompt of a row; of a column with several texts, `seed` says which one is taken.

        Raises:
            RowError: when the row has no text for a field that has no default.
        """
        return "".join(
            part if isinstance(part, str) else _text(part, values, seed) for part in self.parts
        ).strip()


def _text(field: PromptField, values: Mapping[str, object], seed: int) -> str:
    value = values.get(field.column)
    if isinstance(value, tuple):
        value = value[seed % len(value)] if value else None
    text = "" if value is None else " ".join(str(value).split())
    if text:
        return text
    if field.default is None:
        raise RowError(
            "prompt",
            f"column {field.column!r} is empty; give it a text, "
            f"or the recipe's prompt a default: {{{field.column}|...}}",
        )
    return field.default
