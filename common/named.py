"""Named things in recipes, with or without options: operations, and masks to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError

from .strict import Strict, suggest


class Named(Strict):
    """Something that recipes call by its name; its fields are the options that they may set."""

    name: ClassVar[str]


N = TypeVar("N", bound=Named)


@dataclass(frozen=True, eq=False)
class Notation(Generic[N]):
    """How one sort of named things is written.

    `kinds` are the classes by name; what is added to them later is known from then on. `noun`, with
    its `article`, and the two `examples`, a name and a name with options, are for messages. Beside
    a field's type it gives the field its schema.
    """

    kinds: Mapping[str, type[N]]
    article: str
    noun: str
    examples: tuple[str, str]

    def parse(self, value: object) -> N:
        """Read one as a recipe writes it.

        Raises:
            ValueError: when `value` has another form, or names nothing that there is.
            pydantic.ValidationError: when the options do not suit it.
        """
        name, options = self._name_and_options(value)
        if name not in self.kinds:
            raise ValueError(f"unknown {self.noun} {name!r}; {suggest(name, sorted(self.kinds))}")
        return self.kinds[name].model_validate(options)

    def read(self, value: object) -> N | object:
        """Parse a field of a recipe, with problems of options in one line.

        Raises:
            ValueError: naming each problem, such as ``canny.lo: unknown key; ...``.
        """
        if isinstance(value, Named):
            return value
        try:
            return self.parse(value)
        except ValidationError as error:
            name = str(next(iter(value)) if isinstance(value, dict) else value)
            raise ValueError("; ".join(_problem(name, e) for e in error.errors())) from error

    def schema(self) -> dict[str, Any]:
        """The JSON Schema: a name, or a name with its options."""
        with_options = [
            {
                "type": "object",
                "properties": {name: kind.model_json_schema()},
                "required": [name],
                "additionalProperties": False,
            }
            for name, kind in sorted(self.kinds.items())
        ]
        return {"anyOf": [{"enum": sorted(self.kinds)}, *with_options]}

    def __get_pydantic_json_schema__(self, *_: object) -> dict[str, Any]:
        # Asked for when a schema is made, so that a user's own kinds are in it.
        return self.schema()

    def _name_and_options(self, value: object) -> tuple[str, Mapping[str, Any]]:
        if isinstance(value, str):
            return value, {}
        if isinstance(value, Mapping) and len(value) == 1:
            name, options = next(iter(value.items()))
            if isinstance(name, str) and (options is None or isinstance(options, Mapping)):
                return name, options or {}
        alone, with_options = self.examples
        expected = f"a name ({alone}) or a name with its options ({with_options})"
        raise ValueError(f"{self.article} {self.noun} is {expected}, not {value!r}")


def dump_named(item: Named) -> dict[str, dict[str, Any]]:
    """``{name: options}`` with every option in full, as plain data; its notation reads it."""
    return {item.name: item.model_dump(mode="json")}


def _problem(name: str, error: Any) -> str:
    """Describe what is wrong with an option: ``canny.lo: unknown key; ...``."""
    unknown = error.get("ctx", {}).get("key")
    path = ".".join(map(str, (name, *error["loc"], *([unknown] if unknown else []))))
    required = error["type"] == "missing"
    message = "this key is required" if required else error["msg"].removeprefix("Value error, ")
    return f"{path}: {message}"
