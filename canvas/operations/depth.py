"""The operation that estimates depth with any depth model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from ...common.errors import ModelError, RowError
from .base import Operation, Picture, failing_one_row
from .registry import register

if TYPE_CHECKING:
    from torch import Tensor

#: Model types whose predictions are distances; the others give larger numbers for nearer things.
_DISTANCE_MODELS = ("depth_pro", "glpn", "tipsv2_dpt", "zoedepth")


@register
class Depth(Operation):
    """A depth map in grey, the nearest point white and the farthest black in each picture."""

    name: ClassVar[str] = "depth"

    model: str = Field(
        description="Hub id or folder of a depth-estimation model of transformers. If near things "
        "come out dark with it, add the operation `invert`."
    )
    batch_size: int = Field(
        default=8, ge=1, le=256, description="Number of pictures that the model sees at once."
    )

    def model_references(self) -> tuple[str, ...]:
        """The depth model."""
        return (self.model,)

    def apply(self, picture: Picture) -> Picture:
        """Estimate the depth of one picture."""
        return self.apply_batch([picture])[0]

    def apply_batch(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Estimate the depth of several pictures; pictures of one size share batches.

        Raises:
            ModelError: when the model cannot be loaded.
            RowError: when the model fails on a picture (stage ``operation``).
        """
        estimator = load_estimator(str(Path(self.model).expanduser()))
        by_size: dict[tuple[int, int], list[int]] = {}
        for index, picture in enumerate(pictures):
            by_size.setdefault(picture.image.size, []).append(index)
        maps: dict[int, Image.Image] = {}
        for indices in by_size.values():
            for start in range(0, len(indices), self.batch_size):
                batch = indices[start : start + self.batch_size]
                with failing_one_row(f"{self.name} {self.model}"):
                    depths = estimator.nearness([pictures[index].image for index in batch])
                maps.update(zip(batch, map(_to_grey, depths), strict=True))
        return [picture.with_image(maps[index]) for index, picture in enumerate(pictures)]


@dataclass(frozen=True)
class Estimator:
    """A depth model with the processor that prepares its input."""

    processor: Any
    model: Any
    gives_distance: bool

    def nearness(self, images: Sequence[Image.Image]) -> list[np.ndarray]:
        """One [height, width] array per image, of its size; larger is nearer. All of one size."""
        import torch

        inputs = self.processor(images=list(images), return_tensors="pt")
        inputs = inputs.to(self.model.device, self.model.dtype)
        with torch.inference_mode():
            outputs = self.model(**inputs)
        sizes = [image.size[::-1] for image in images]
        # By position: what most processors call target sizes, ZoeDepth's calls source sizes.
        results = self.processor.post_process_depth_estimation(outputs, sizes)
        depths: list[Tensor] = [result["predicted_depth"].float() for result in results]
        if self.gives_distance:
            depths = [1 / depth.clamp(min=1e-3) for depth in depths]
        return [depth.cpu().numpy() for depth in depths]


@lru_cache(maxsize=2)
def load_estimator(model: str) -> Estimator:
    """A ready estimator, loaded once per process, on the accelerator if there is one.

    Raises:
        ModelError: when the model is not found or is no depth model.
    """
    try:
        import torch
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        processor = AutoImageProcessor.from_pretrained(model)
        network = AutoModelForDepthEstimation.from_pretrained(model).eval()
    except Exception as error:
        raise ModelError(f"depth model {model} cannot be loaded: {error}") from error
    config = network.config
    is_metric = getattr(config, "depth_estimation_type", None) == "metric"
    return Estimator(
        processor=processor,
        model=network.to("cuda" if torch.cuda.is_available() else "cpu"),
        gives_distance=is_metric or config.model_type in _DISTANCE_MODELS,
    )


def _to_grey(nearness: np.ndarray) -> Image.Image:  # [height, width], any finite range
    low, high = float(nearness.min()), float(nearness.max())
    if not np.isfinite([low, high]).all():
        raise RowError("operation", "depth has values that are not finite")
    scale = 255 / (high - low) if high > low else 0.0
    grey = np.rint((nearness - low) * scale).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
