"""The request that the command's options make, each checked as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..canvas.sizes import parse_size
from ..common.errors import TaskError
from .request import Request, absolute, problems, read_request


def request_of(
    again: Path | None, *, images: dict[str, str], values: dict[str, str], **given: object
) -> Request:
    """Make the request of the options, which replace what a picture to be made again says.

    Raises:
        TaskError: naming the options that are missing or wrong.
    """
    said: dict[str, Any] = read_request(again).model_dump(exclude_defaults=True) if again else {}
    if given["seed"] is not None:
        said.pop("number", None)
    settings = said | {name: setting for name, setting in given.items() if setting is not None}
    if "run" not in settings:
        raise TaskError("give a run, such as runs/colorization; see --help")
    settings["images"] = said.get("images", {}) | images
    settings["values"] = said.get("values", {}) | values
    try:
        return Request.model_validate(settings)
    except ValidationError as error:
        parts = (problem.partition(": ") for problem in problems(error))
        texts = [f"--{name.replace('_', '-')}: {text}" for name, _, text in parts]
        raise TaskError("; ".join(texts)) from error


def check_table_alone(image: object, again: Path | None, count: int) -> None:
    """Refuse options that say otherwise what a table says.

    Raises:
        TaskError: naming both.
    """
    if image:
        raise TaskError("--image and --table exclude each other: the table has the images")
    if again is not None or count != 1:
        other = "--count" if again is None else "--again"
        raise TaskError(f"{other} and --table exclude each other: a row is one new picture")


def located(place: str) -> str:
    """The whole path of a folder that is there; anything else may be on the Hub."""
    path = absolute(place)
    return path if place.startswith("~") or Path(path).is_dir() else place


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Read texts ``NAME=TEXT`` of an option as a mapping.

    Raises:
        TaskError: when one has another form, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, separator, rest = text.partition("=")
        if not (separator and name and rest):
            raise TaskError(f"{option} {text}: expected NAME=VALUE")
        if name in found:
            raise TaskError(f"{option} {text}: {name} is given twice")
        found[name] = rest
    return found


def layout_of(text: str | None) -> list[list[str]] | None:
    """Read ``grey colour / grey grey`` as rows of panels."""
    return None if text is None else [row.split() for row in text.split("/")]


def size_of(text: str | None) -> tuple[int, int] | None:
    """Read ``512x384`` as width and height.

    Raises:
        TaskError: when it has another form.
    """
    if text is None:
        return None
    size = parse_size(text)
    if size is None:
        raise TaskError(f"--panel-size {text}: expected WIDTHxHEIGHT, such as 512x384")
    return size
