"""controlnet-aux, imported late and quietly: it takes seconds and warns about its own parts."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from ...common.errors import ModelError


@cache
def detector_names() -> tuple[str, ...]:
    """The detector classes that the installed controlnet-aux offers, found without importing it."""
    spec = importlib.util.find_spec("controlnet_aux")
    if spec is None or spec.origin is None:
        return ()
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    names = (alias.asname or alias.name for node in imports for alias in node.names)
    return tuple(sorted(name for name in names if name.lower().endswith("detector")))


@cache
def detector_class(name: str) -> Any:
    """The detector class of this name.

    Raises:
        ModelError: when controlnet-aux cannot be imported or has no such class.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module("controlnet_aux"), name)
    except (ImportError, AttributeError) as error:
        message = f"{name} cannot be imported from controlnet-aux ({error}); install controlnet-aux"
        raise ModelError(message) from error
