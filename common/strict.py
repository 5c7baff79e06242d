"""Settings that accept only the keys they know, and name the closest one otherwise."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


def suggest(wrong: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: ``did you mean 'x'? known: x, y``."""
    names = list(known)
    close = difflib.get_close_matches(wrong, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names) or 'none'}"


class Strict(BaseModel):
    """Base of everything that a recipe's author writes: frozen, and no key passes unread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys that an author may write."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = cls.known_keys()
            accepted = {*known, *cls.model_fields}
            for key in data:
                if key not in accepted:
                    message = f"unknown key; {suggest(str(key), known)}"
                    raise PydanticCustomError(
                        "unknown_key", "{message}", {"key": key, "message": message}
                    )
        return data
