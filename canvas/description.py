"""A task in words, for the cards of datasets and adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def describe_task(recipe: Mapping[str, Any], panel_size: Sequence[int]) -> str:
    """The canvas as a Markdown table with its targets in bold, and what each panel is made from."""
    targets = set(recipe["target"]["panels"])
    rows = [
        " | ".join(f"**{panel}**" if panel in targets else panel for panel in row)
        for row in recipe["layout"]
    ]
    width = len(recipe["layout"][0])
    return "\n".join(
        [
            "The canvas, with its target in bold; a panel has "
            f"{' x '.join(map(str, panel_size))} px:",
            "",
            f"| {rows[0]} |",
            f"|{'---|' * width}",
            *(f"| {row} |" for row in rows[1:]),
            "",
            *(f"- `{panel}`: {_describe_panel(how)}" for panel, how in recipe["panels"].items()),
        ]
    )


def _describe_panel(panel: Mapping[str, Any]) -> str:
    steps = [step if isinstance(step, str) else next(iter(step)) for step in panel["apply"]]
    return f"`{panel['from']}`" + (f", then {', '.join(steps)}" if steps else "")
