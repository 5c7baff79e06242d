"""Traps of YAML, which it reads otherwise than it looks: ``010``, ``yes`` or ``{caption}``.

Some of it is never meant: `traps` finds that, to be refused. Other things are right in one place
and wrong in another: `hints` has what to say where they turn out to be wrong.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
Placed = tuple[KeyPath, yaml.Node, str]  # where a node stands, and what is to be said of it

_TAG = "tag:yaml.org,2002:"
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_COMMENT = re.compile(r":[ \t]+(#\S[^\n]*)")
_ITEM_COMMENT = re.compile(r"[ \t]+(#\S[^\n]*)")
_INNER_COMMENT = re.compile(r"[\[,{]\s*(#[^\s,\]}]+)")
#: Keys that may be numbers without being misread.
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]*")
#: A line's key and value, also of an item of a list.
_LINE = re.compile(r"\s*(?:- )*([\w.-]+):\s+(\S.*?)\s*$")
#: Values that only quotes make a text: indicators, braces with text behind, and a colon inside.
_UNQUOTED = re.compile(r"[@`%*&!].*|\{[^{}:]*\}.+|[^\s'\"\[{].*:\s.*")


def traps(node: yaml.Node | None, text: str) -> Iterator[Placed]:
    """Find what is never meant as YAML reads it; `text` is the document's."""
    for path, found, key in _walk(node, ()):
        if key is not None and _meaning(key) and not _PLAIN_NUMBER.fullmatch(key.value):
            yield path, key, f"as a key, {_misread(key)}"
        elif isinstance(found, yaml.ScalarNode) and _is_misread_number(found):
            yield path, found, f"{_misread(found)}, or the number itself"
        elif comment := _comment_in_place_of(found, key, text):
            yield (
                path,
                found,
                f"{comment!r} is a comment in YAML, so nothing is given; if it is the value, write "
                f"{_quoted(comment)}",
            )


def hints(node: yaml.Node | None, text: str) -> Iterator[tuple[KeyPath, str]]:
    """Find values that are no text, but may have been meant as one, and say how to write that."""
    for path, found, _ in _walk(node, ()):
        if isinstance(found, yaml.ScalarNode) and found.value and _meaning(found):
            yield path, _misread(found)
        elif isinstance(found, yaml.MappingNode) and _is_text_in_braces(found):
            raw = text[found.start_mark.index : found.end_mark.index]
            yield path, f"{raw} is a mapping in YAML; for the text write {_quoted(raw)}"


def hint_at_line(line: str) -> str | None:
    """How to write a line on which YAML fails, where it looks like a text without quotes."""
    if re.match(r" *\t", line):
        return "the line is indented by a tab; use blanks"
    found = _LINE.match(line)
    if found is None:
        return None
    key, value = found.groups()
    if comment := _INNER_COMMENT.search(value):
        return f"{comment[1]!r} begins a comment; put it in quotes: {_quoted(comment[1])}"
    if _UNQUOTED.fullmatch(value) or re.fullmatch(r"'[^']*'.+|\"[^\"]*\".+", value):
        return f"put the whole text in quotes: {key}: {_quoted(value)}"
    if value.startswith('"') and "\\" in value:
        inside = value.strip('"').replace("'", "''")
        return f"a backslash means itself in single quotes only: {key}: '{inside}'"
    return None


def option_traps(key: str, value: str) -> tuple[str | None, dict[KeyPath, str]]:
    """Find what is never meant in an option ``--set KEY=VALUE``, and `hints` about its value."""
    node = yaml.compose(value, Loader=yaml.SafeLoader)
    if node is None:
        problem = f"{value.strip()!r} is a comment in YAML; {_for_a_shell(key, value)}"
        return problem if value.strip() else None, {}
    name = yaml.ScalarNode(f"{_TAG}str", key)
    whole = yaml.MappingNode(f"{_TAG}map", [(name, node)], flow_style=False)
    found = {path[1:]: hint for path, hint in hints(whole, value)}
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        found[()] = f"{value} is a mapping in YAML"
    if () in found:
        found[()] = f"{found[()].partition(';')[0]}; {_for_a_shell(key, value)}"
    return next((problem for _, _, problem in traps(whole, value)), None), found


def _for_a_shell(key: str, value: str) -> str:
    """How to write an option's value as a text: a shell takes one pair of quotes away."""
    return f"for the text write {shlex.join(['--set', f'{key}={_quoted(value.strip())}'])}"


def _walk(
    node: yaml.Node | None, path: KeyPath
) -> Iterator[tuple[KeyPath, yaml.Node, yaml.ScalarNode | None]]:
    """Every value, with its key in a mapping."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key if isinstance(key, yaml.ScalarNode) else None
            inner = (*path, key.value if name else str(key.tag))
            yield inner, value, name
            yield from _walk(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*path, number), value, None
            yield from _walk(value, (*path, number))


def _meaning(node: yaml.ScalarNode) -> str | None:
    """Say what a plain scalar is, unless it is a text or the mark of a merge."""
    if node.style is not None:
        return None
    kind = node.tag.removeprefix(_TAG)
    if kind == "bool":
        return "true" if _value_of(node) else "false"
    if kind in ("int", "float"):
        return f"the number {_value_of(node)}"
    return {"null": "nothing", "timestamp": "a date"}.get(kind)


def _value_of(node: yaml.ScalarNode) -> Any:
    return yaml.safe_load(node.value)


def _is_misread_number(node: yaml.ScalarNode) -> bool:
    if node.tag not in (f"{_TAG}int", f"{_TAG}float") or node.style is not None:
        return False
    return ":" in node.value or _OCTAL.fullmatch(node.value) is not None


def _misread(node: yaml.ScalarNode) -> str:
    value = node.value
    return f"{value} is {_meaning(node)} in YAML; for the text write {_quoted(value)}"


def _comment_in_place_of(node: yaml.Node, key: yaml.ScalarNode | None, text: str) -> str | None:
    """The comment behind a key or a dash where no value stands, if it looks like one."""
    if not isinstance(node, yaml.ScalarNode) or node.value or node.style is not None:
        return None
    if key is not None:
        found = _COMMENT.match(text, key.end_mark.index)
    else:
        found = _ITEM_COMMENT.match(text, node.start_mark.index)
    return found[1].strip() if found else None


def _is_text_in_braces(node: yaml.MappingNode) -> bool:
    values = [value for _, value in node.value]
    return bool(node.flow_style and values) and not any(
        not isinstance(value, yaml.ScalarNode) or value.value or value.style for value in values
    )


def _quoted(text: str) -> str:
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'
