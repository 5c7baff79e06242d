"""Options of a command that are made from the fields of a model, so that they are said once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def with_options(
    parameter: str, model: type[BaseModel]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a typer command an option for each field of `model` in place of one `parameter`.

    The field's description is the option's help. The command's function is given, as `parameter`,
    a dict of the options that were used, by field; it checks the values. Its parameters are
    keywords.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(**given: Any) -> None:
            options = {name: given.pop(name) for name in model.model_fields}
            used = {name: value for name, value in options.items() if value is not None}
            function(**given, **{parameter: used})

        own = inspect.signature(function, eval_str=True)
        options = [_option(name, field) for name, field in model.model_fields.items()]
        parameters = [
            each
            for name, other in own.parameters.items()
            for each in (options if name == parameter else [other])
        ]
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        return command

    return decorate


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    option = typer.Option(help=field.description, show_default=str(field.default))
    kind: Any = Annotated[field.annotation | None, option]  # type: ignore[operator]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
