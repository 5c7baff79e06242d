"""A request: an adapter, images and settings, as plain data that a PNG can carry."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL import Image, PngImagePlugin
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ..common.errors import TaskError
from ..common.secrets import marked_place
from ..common.strict import Strict
from .files import write_file
from .guidance import Guidance

_KEY = "onepic"
#: The field whose settings lie among the others in plain data.
_GUIDANCE = "guidance"

SchedulerName = Literal[
    "ddim", "ddpm", "dpmpp_2m", "dpmpp_2m_karras", "euler", "euler_a", "heun", "lcm", "unipc"
]

#: Px along a side of a panel; the task's model has more to say about it.
Side = Annotated[int, Field(ge=1, le=16384)]


class Request(Strict):
    """One picture; everything that it follows from.

    `images` are paths or URLs by the task's inputs. The command makes the paths of files and
    folders absolute, so that a request holds from any folder. `number` is which of the pictures of
    one call it is: its noise has the seed `seed` + `number`. As plain data, the settings of
    `guidance` lie among the others.
    """

    run: str
    task: str | None = None
    model: str | None = None
    images: dict[str, str]
    values: dict[str, str] = Field(default_factory=dict)
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)
    number: int = Field(default=0, ge=0)
    steps: int = Field(default=30, ge=1, le=1000)
    scheduler: SchedulerName | None = None
    guidance: Guidance = Guidance()
    panel_size: tuple[Side, Side] | None = None
    layout: tuple[tuple[str, ...], ...] | None = None

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys of the plain data."""
        own = super().known_keys()
        place = own.index(_GUIDANCE)
        return [*own[:place], *Guidance.known_keys(), *own[place + 1 :]]

    @model_validator(mode="before")
    @classmethod
    def _gather_guidance(cls, data: Any) -> Any:
        if not isinstance(data, dict) or _GUIDANCE in data:
            return data
        guidance = {key: data[key] for key in Guidance.model_fields if key in data}
        others = {key: value for key, value in data.items() if key not in guidance}
        return others | {_GUIDANCE: guidance}

    @model_serializer(mode="wrap")
    def _spread_guidance(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, value in dump(self).items():
            plain |= value if key == _GUIDANCE else {key: value}
        return plain

    def public(self) -> Request:
        """The request as a picture may carry it: its addresses without user names and queries."""
        images = {name: marked_place(place) for name, place in self.images.items()}
        return self.model_copy(update={"images": images})


def absolute(place: str) -> str:
    """A path as it holds from any folder, with ``~`` for the home folder; a URL stays as it is."""
    if "://" in place:
        return place
    path = Path(place)
    return str(path.expanduser() if path.parts[:1] == ("~",) else path.absolute())


def save_picture(image: Image.Image, path: Path, request: Request | None = None) -> None:
    """Write a PNG that says how it was made, but for what opens the URLs of its images.

    Raises:
        RunError: when it cannot be written.
    """
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    if request is not None:
        plain = request.public().model_dump(mode="json", exclude_defaults=True)
        info.add_itxt(_KEY, json.dumps(plain))
    image.save(file, format="PNG", pnginfo=info)
    write_file(path, file.getvalue())


def read_request(path: Path) -> Request:
    """Read how a picture was made.

    Raises:
        TaskError: when it cannot be read or does not say.
    """
    try:
        with Image.open(path) as image:
            text = image.info.get(_KEY)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TaskError(f"{path}: cannot be read as a picture: {error}") from error
    if text is None:
        raise TaskError(
            f"{path}: does not say how it was made; expected a PNG that onepic-sample wrote"
        )
    try:
        return Request.model_validate_json(text)
    except ValidationError as error:
        raise TaskError(f"{path}: made by another onepic: {'; '.join(problems(error))}") from error


def was_made(path: Path, request: Request) -> bool:
    """Whether a picture is there that says that it was made as `request` asks."""
    try:
        return read_request(path) == request.public()
    except TaskError:
        return False


def problems(error: ValidationError) -> list[str]:
    """``setting: what is wrong with it``, for each."""
    found = []
    for problem in error.errors():
        place = [part for part in problem["loc"] if part != _GUIDANCE]
        place += filter(None, [problem.get("ctx", {}).get("key")])
        found.append(": ".join(filter(None, [".".join(map(str, place)), problem["msg"]])))
    return found
