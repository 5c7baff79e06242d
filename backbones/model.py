"""The model a dataset is made for: where its files are, and what they say about latents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.errors import ModelError

#: The components that a compiler needs; the U-Net's weights are not among them.
ENCODERS = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
#: diffusers' own, for VAEs that do not say.
DEFAULT_SCALING = 0.18215
#: How the pipelines are called that SDXL folders are saved from; this project's saves them too.
_PIPELINES = ("StableDiffusionXL", "OnePicPipeline")
_PATTERNS = ("model_index.json", "unet/config.json", *(f"{name}/*" for name in ENCODERS))
_OTHER_FORMATS = ("*.bin", "*.msgpack", "*.onnx*", "*openvino*")


@dataclass(frozen=True)
class Model:
    """A diffusers SDXL folder on this machine, and the settings that shape latents.

    `factor` is the pixels along a side of a latent cell, `native_area` the canvas in square px
    that the U-Net was trained on. `variant` is "fp16" where only half-precision weights exist.
    """

    name: str
    revision: str | None
    folder: Path
    variant: str | None
    factor: int
    channels: int
    scaling_factor: float
    shift_factor: float
    half_is_safe: bool
    zero_empty_prompt: bool
    native_area: int

    def files(self) -> list[Path]:
        """Every file that shapes latents or embeddings, relative to `folder`, sorted."""
        suffixes = {".json", ".txt", ".safetensors", ".model"}
        found = [
            path.relative_to(self.folder)
            for name in ENCODERS
            for path in (self.folder / name).rglob("*")
            if path.suffix in suffixes and self._is_used(path)
        ]
        return sorted(found)

    def _is_used(self, path: Path) -> bool:
        is_variant = ".fp16." in path.name or ".non_ema." in path.name
        weights = path.suffix == ".safetensors" or path.name.endswith(".index.json")
        return not weights or is_variant == (self.variant == "fp16")


def open_model(name: str, revision: str | None = None) -> Model:
    """Find a model by folder, Hub id or the word ``miniature``, and read its settings.

    Raises:
        ModelError: when it cannot be found, is no SDXL, or lacks a component; the message names it.
    """
    folder, commit = locate_model(name, revision, _PATTERNS, weights_in="vae")
    check_is_sdxl(name, folder)
    if not folder.joinpath("vae", "config.json").is_file():
        raise ModelError(
            f"model {name}: {folder} has no vae/config.json; expected a diffusers SDXL folder "
            f"with {', '.join(ENCODERS)}"
        )
    for component in ENCODERS:
        if not folder.joinpath(component).is_dir():
            raise ModelError(
                f"model {name}: {folder} has no {component}/; expected a diffusers SDXL folder "
                f"with {', '.join(ENCODERS)}"
            )
    vae = _read_vae(name, folder / "vae" / "config.json")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    return Model(
        name=name,
        revision=commit,
        folder=folder,
        variant=weights_variant(name, folder / "vae"),
        factor=factor,
        channels=vae["latent_channels"],
        scaling_factor=vae.get("scaling_factor", DEFAULT_SCALING),
        shift_factor=vae.get("shift_factor") or 0.0,
        half_is_safe=not vae.get("force_upcast", True),
        zero_empty_prompt=_zero_empty_prompt(folder),
        native_area=_native_area(folder, vae, factor),
    )


def check_is_sdxl(name: str, folder: Path) -> None:
    """Refuse a model that has the same components as SDXL and is something else, such as FLUX.

    Raises:
        ModelError: naming what it is.
    """
    index = folder / "model_index.json"
    pipeline = _read_json(index).get("_class_name") if index.is_file() else None
    if pipeline is not None and not str(pipeline).startswith(_PIPELINES):
        raise ModelError(
            f"model {name}: {index} says that it is a {pipeline}; expected an SDXL model, whose "
            "pipeline is a StableDiffusionXLPipeline"
        )
    unet, vae = (folder / part / "config.json" for part in ("unet", "vae"))
    if not (unet.is_file() and vae.is_file()):
        return
    takes, gives = _read_json(unet).get("in_channels"), _read_json(vae).get("latent_channels")
    if isinstance(takes, int) and isinstance(gives, int) and takes > gives:
        raise ModelError(
            f"model {name}: its U-Net takes {takes} channels and its VAE gives {gives}, as those "
            "of in-painting models do; expected a text-to-image model"
        )


def locate_model(
    name: str, revision: str | None, patterns: Sequence[str], weights_in: str
) -> tuple[Path, str | None]:
    """The folder of a model, fetched from the Hub if need be, and its commit if it is from there.

    Args:
        name: a folder, a Hub id or the word ``miniature``.
        revision: a branch, tag or commit of a Hub id.
        patterns: the files to fetch; ``vae/*`` stands for a whole component with its weights.
        weights_in: the component, among those of `patterns`, in which weights must be found: where
            it has none in full precision, the components' fp16 variant is fetched too.

    Raises:
        ModelError: when there is no such folder and the Hub has none, or cannot be asked.
    """
    if (folder := local_model(name)) is not None:
        return folder, None
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelError(
            f"model {name}: no such folder; give a diffusers SDXL folder or a Hub id such as "
            "stabilityai/stable-diffusion-xl-base-1.0"
        )
    return _download(name, revision, patterns, weights_in)


def local_model(name: str) -> Path | None:
    """The folder of a model that is here by name or place; None where only the Hub can have it."""
    if name == "miniature":
        from .. import miniature

        return miniature.path()
    folder = Path(name).expanduser()
    return folder.resolve() if folder.is_dir() else None


def weights_variant(name: str, folder: Path) -> str | None:
    """None for a component's folder with weights in full precision, "fp16" if it has only those.

    Raises:
        ModelError: when there are neither.
    """
    weights = [path.name for path in folder.glob("*.safetensors")]
    if any(".fp16." not in weight for weight in weights):
        return None
    if weights:
        return "fp16"
    raise ModelError(f"model {name}: {folder} has no safetensors weights")


def _download(
    name: str, revision: str | None, patterns: Sequence[str], weights_in: str
) -> tuple[Path, str]:
    """Files from the Hub's cache or the Hub; the commit is their folder's name."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(patterns),
                ignore_patterns=[*_OTHER_FORMATS, "*.fp16.*"],
            )
        )
        if not any(path.suffix == ".safetensors" for path in folder.glob(f"{weights_in}/*")):
            half = [
                f"{pattern}.fp16.{suffix}"
                for pattern in patterns
                if pattern.endswith("/*")
                for suffix in ("safetensors", "safetensors.index.json")
            ]
            snapshot_download(name, revision=revision, allow_patterns=half)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ModelError(
            f"model {name}: neither a folder here nor found on the Hub: {error}"
        ) from error
    return folder, folder.name


def _read_vae(name: str, path: Path) -> dict[str, Any]:
    """The settings of an AutoencoderKL whose latents are scaled as a whole."""
    vae = _read_json(path)
    for setting in ("block_out_channels", "latent_channels"):
        if setting not in vae:
            raise ModelError(
                f"model {name}: {path} has no {setting!r}; expected the settings of an "
                "AutoencoderKL"
            )
    for setting in ("latents_mean", "latents_std"):
        if vae.get(setting):
            raise ModelError(
                f"model {name}: {path} has {setting!r}, so each channel is scaled by itself; "
                "expected a VAE with one scaling_factor, as SDXL has"
            )
    return vae


def _zero_empty_prompt(folder: Path) -> bool:
    index = folder / "model_index.json"
    return (
        bool(_read_json(index).get("force_zeros_for_empty_prompt", True))
        if index.is_file()
        else True
    )


def _native_area(folder: Path, vae: dict[str, Any], factor: int) -> int:
    unet = folder / "unet" / "config.json"
    side = _read_json(unet).get("sample_size") if unet.is_file() else None
    pixels = side * factor if side else vae.get("sample_size", 1024)
    return int(pixels) ** 2


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return data
