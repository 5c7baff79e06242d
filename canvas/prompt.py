"""Prompt templates: text with a row's columns in braces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Number

from ..common.errors import RowError

#: What programs write in place of a text that they do not have.
NO_TEXT = ("NaN", "nan", "NaT", "None", "null", "NULL", "<NA>")
_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")
_BLANK_LETTERS = "\u034f\u115f\u1160\u2800\u3164\ufe0f\uffa0"

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

    def defaulted(self, values: Mapping[str, object]) -> tuple[str, ...]:
        """The columns for which a row has no text and the template has a default."""
        return tuple(
            field.column
            for field in self.fields
            if field.default is not None and is_no_text(values.get(field.column))
        )

    def fill(self, values: Mapping[str, object], seed: int = 0) -> str:
        """The prompt of a row; of a column with several texts, `seed` says which one is taken.

        Raises:
            RowError: when the row has no text for a field that has no default.
        """
        return "".join(
            part if isinstance(part, str) else _text(part, values, seed) for part in self.parts
        ).strip()


def is_no_text(value: object) -> bool:
    """Whether a value says nothing to people.

    That is None, NaN, a text without any character that is seen, what programs write for a missing
    value (`NO_TEXT`, spelt exactly so), and several texts of which each is one of these.
    """
    if isinstance(value, tuple):
        return all(map(is_no_text, value))
    if value is None or (isinstance(value, Number) and value != value):  # as NaN alone does
        return True
    text = str(value).strip()
    return text in NO_TEXT or not any(map(_is_seen, text))


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN and character not in _BLANK_LETTERS


def _text(field: PromptField, values: Mapping[str, object], seed: int) -> str:
    value = values.get(field.column)
    if isinstance(value, tuple):
        texts = [text for text in value if not is_no_text(text)]
        value = texts[seed % len(texts)] if texts else None
    if not is_no_text(value):
        return " ".join(str(value).split())
    if field.default is None:
        nothing = value is None or not str(value).strip()
        found = "is empty" if nothing else f"holds {value!r:.40}, which stands for no text"
        raise RowError(
            "prompt",
            f"column {field.column!r} {found}; give it a text, "
            f"or the recipe's prompt a default: {{{field.column}|...}}",
        )
    return field.default
