"""The operation that runs any detector of controlnet-aux."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field, field_validator

from ...common.errors import ModelError
from ...common.strict import suggest
from .annotators import detector_class, detector_names
from .base import Operation, Picture, failing_one_row
from .registry import register

#: Detectors round their resolution to multiples of this, and so to nothing below half of it.
SMALLEST = 64


@register
class Detector(Operation):
    """A condition made by a detector of controlnet-aux: soft edges, line art, poses, normals."""

    name: ClassVar[str] = "detector"

    detector: str = Field(description="A class of controlnet-aux, such as HEDdetector.")
    weights: str | None = Field(
        default=None,
        description="Hub id or folder of the detector's weights, such as lllyasviel/Annotators; "
        "none for detectors that need none.",
    )
    load: dict[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of the class's from_pretrained, such as filename.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of the detector's call; it detects at the picture's own resolution "
        "unless detect_resolution says otherwise.",
    )

    @field_validator("detector")
    @classmethod
    def _check_detector(cls, name: str) -> str:
        if name not in detector_names():
            same = [known for known in detector_names() if known.lower() == name.lower()]
            hint = suggest(name, same or detector_names())
            raise ValueError(f"unknown detector {name!r}; {hint}")
        return name

    def model_references(self) -> tuple[str, ...]:
        """The weights, where the detector has any."""
        return (self.weights,) if self.weights is not None else ()

    def apply(self, picture: Picture) -> Picture:
        """Detect on one picture; the result has the picture's size and is RGB.

        Raises:
            ModelError: when the detector or its weights cannot be loaded.
            RowError: when it fails on this picture (stage ``operation``).
        """
        load = json.dumps(self.load, sort_keys=True)
        detector = load_detector(self.detector, self.weights, load)
        with failing_one_row(f"{self.name} {self.detector}"), _seeded(picture.seed):
            found = detector(picture.image, **self._arguments(detector, picture.image))
            return picture.with_image(_as_picture(found, picture.image.size))

    def _arguments(self, detector: Any, image: Image.Image) -> dict[str, Any]:
        known = inspect.signature(type(detector).__call__).parameters
        own = max(SMALLEST, min(image.size))
        own_size = {"detect_resolution": own, "image_resolution": own}
        defaults = {"output_type": "pil", **own_size}
        return {key: defaults[key] for key in defaults if key in known} | self.options


@lru_cache(maxsize=4)
def load_detector(name: str, weights: str | None, load: str) -> Any:
    """A ready detector, loaded once per process and moved to the accelerator if there is one.

    `load` is a JSON object of further arguments for ``from_pretrained``.

    Raises:
        ModelError: when the class or its weights cannot be loaded.
    """
    detector_type, options = detector_class(name), json.loads(load)
    is_trained = hasattr(detector_type, "from_pretrained")
    if is_trained and weights is None:
        raise ModelError(f"{name} needs weights: set `weights` to a Hub id or a folder")
    try:
        if is_trained:
            folder = str(Path(weights or "").expanduser())
            return _to_accelerator(detector_type.from_pretrained(folder, **options))
        return _to_accelerator(detector_type(**options))
    except Exception as error:
        source = f" from {weights}" if weights else ""
        raise ModelError(f"{name} cannot be loaded{source}: {error}") from error


def _to_accelerator(detector: Any) -> Any:
    import torch

    if hasattr(detector, "to") and torch.cuda.is_available():
        detector.to("cuda")
    return detector


def _as_picture(found: Any, size: tuple[int, int]) -> Image.Image:
    # Some detectors return a tuple whose first member is the picture.
    first = found[0] if isinstance(found, tuple) else found
    image = first if isinstance(first, Image.Image) else Image.fromarray(np.asarray(first))
    image = image.convert("RGB")
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Detectors that draw random numbers take them from global generators: seed and restore."""
    import torch

    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed % 2**63)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
