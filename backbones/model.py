"""A model's folder: found by name, read, and its parts loaded when they are needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import ModelError
from .backbone import Backbone, Component, Part
from .known import BACKBONES, backbone_of, first_backbone
from .latents import Latents

if TYPE_CHECKING:
    import torch

    from .process import Process

INDEX = "model_index.json"
#: The settings of all parts; the weights of a part are fetched where they are needed.
_SETTINGS = (INDEX, "*/config.json", "scheduler/*")
_OTHER_FORMATS = ("*.bin", "*.msgpack", "*.onnx*", "*openvino*")


@dataclass(frozen=True)
class Model:
    """A diffusers folder on this machine, with the weights of some of its parts.

    `name` is as the user gave it, `revision` the commit on the Hub, None for a folder. `index`
    are the entries of model_index.json, `network` the settings of what is trained, empty where the
    folder has none.
    """

    name: str
    revision: str | None
    folder: Path
    backbone: Backbone
    latents: Latents
    index: Mapping[str, Any]
    network: Mapping[str, Any]
    vae: Mapping[str, Any]

    @property
    def half_is_safe(self) -> bool:
        """Whether the VAE can compute in half precision."""
        return not self.vae.get("force_upcast", True)

    @property
    def zero_empty_prompt(self) -> bool:
        """Whether no prompt is zeros instead of the empty prompt."""
        return self.backbone.zero_empty_prompt(self.index)

    @property
    def native_area(self) -> int:
        """The canvas, in square px, that the network was trained on."""
        return self.backbone.native_area(self.network, self.vae, self.latents.factor)

    @cached_property
    def variant(self) -> str | None:
        """Infix of the names of the VAE's weights: "fp16", or None for full precision."""
        return self.variant_of(self.backbone.vae)

    def variant_of(self, component: Component) -> str | None:
        """The same of any component."""
        return weights_variant(self.name, self.folder / component.folder)

    def files(self) -> list[Path]:
        """Every file that shapes latents or embeddings, relative to `folder`, sorted."""
        suffixes = {".json", ".txt", ".safetensors", ".model"}
        found = [
            path.relative_to(self.folder)
            for component in (self.backbone.vae, *self.backbone.encoders)
            for path in (self.folder / component.folder).rglob("*")
            if path.suffix in suffixes and self._is_used(path)
        ]
        return sorted(found)

    def load(self, component: Component, dtype: torch.dtype) -> Any:
        """A component on the CPU, whole and in evaluation mode; a tokenizer has no dtype.

        Raises:
            ModelError: naming the component, when it cannot be loaded or lacks weights.
        """
        from .weights import load_component, load_network

        cls, folder = component.load_class(), self.folder / component.folder
        if not component.has_weights:
            return load_component(cls, self.name, folder)
        return load_network(cls, self.name, folder, dtype, self.variant_of(component))

    def load_encoders(self, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
        """All that `Backbone.embed` needs, by folder, on a device.

        Raises:
            ModelError: naming the component that cannot be loaded.
        """
        loaded = {part.folder: (part, self.load(part, dtype)) for part in self.backbone.encoders}
        return {
            name: found.to(device) if part.has_weights else found
            for name, (part, found) in loaded.items()
        }

    def process(self) -> Process:
        """How noise is added for it.

        Raises:
            ModelError: when its scheduler cannot be read.
        """
        try:
            return self.backbone.process(self.folder / "scheduler")
        except ModelError as error:
            raise ModelError(f"model {self.name}: {error}") from error

    def _is_used(self, path: Path) -> bool:
        is_variant = ".fp16." in path.name or ".non_ema." in path.name
        weights = path.suffix == ".safetensors" or path.name.endswith(".index.json")
        return not weights or is_variant == (self.variant == "fp16")


def open_model(
    name: str, revision: str | None = None, parts: Sequence[Part] = ("vae", "encoders")
) -> Model:
    """Find a model by folder, Hub id or the word ``miniature``, and read its settings.

    Of a model on the Hub the weights of `parts` are fetched, and all settings.

    Raises:
        ModelError: when it cannot be found, is of no known kind, or lacks a component or the
            weights of one of `parts`; the message names it.
    """
    folder, commit = local_model(name), None
    if folder is None:
        folder, commit = _fetch(name, revision, parts)
    index = _read_json(name, folder / INDEX)
    backbone = _recognise(name, folder / INDEX, index)
    needed = [backbone.vae, *(one for part in parts for one in backbone.components(part))]
    for one in needed:
        wanted = f"{one.folder}/config.json" if one.has_weights else f"{one.folder}/"
        if not (folder / wanted).exists():
            expected = ", ".join(dict.fromkeys(each.folder for each in needed))
            raise ModelError(
                f"model {name}: {folder} has no {wanted}; expected a diffusers folder of "
                f"{backbone.title} with {expected}"
            )
    for one in needed[1:]:
        if one.has_weights:
            weights_variant(name, folder / one.folder)
    vae = _read_json(name, folder / backbone.vae.folder / "config.json")
    network = _read_json(name, folder / backbone.network.folder / "config.json")
    if (refusal := backbone.refusal(network, vae)) is not None:
        raise ModelError(f"model {name}: {refusal}")
    try:
        latents = Latents.of(vae)
    except ValueError as error:
        path = folder / backbone.vae.folder / "config.json"
        raise ModelError(f"model {name}: {path} {error}, as {backbone.title} has") from error
    return Model(name, commit, folder, backbone, latents, index, network, vae)


def local_model(name: str) -> Path | None:
    """The folder of a model that is here by name or place; None where only the Hub can have it."""
    if name == "miniature":
        from .. import miniature

        return miniature.path()
    folder = Path(name).expanduser()
    return folder.resolve() if folder.is_dir() else None


def load_vae(name: str, revision: str | None) -> Any:
    """A model's VAE in float32; of its weights nothing else is fetched.

    Raises:
        ModelError: when it cannot be found or loaded.
    """
    import torch

    model = open_model(name, revision, parts=("vae",))
    return model.load(model.backbone.vae, torch.float32)


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


def _recognise(name: str, path: Path, index: Mapping[str, Any]) -> Backbone:
    """The kind of a model, by what its `index` says; one that says nothing may be of the first."""
    pipeline = index.get("_class_name")
    if pipeline is None:
        return first_backbone()
    backbone = backbone_of(str(pipeline))
    if backbone is None:
        known = ", ".join(each.title for each in BACKBONES.values())
        raise ModelError(
            f"model {name}: {path} says that it is a {pipeline}; expected a model of one "
            f"of these kinds: {known}"
        )
    return backbone


def _fetch(name: str, revision: str | None, parts: Sequence[Part]) -> tuple[Path, str]:
    """A model's folder in the Hub's cache, fetched if need be; its commit is its name.

    Where one has no weights in full precision, the fp16 variant of all is fetched too.
    """
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelError(
            f"model {name}: no such folder; give a diffusers folder or a Hub id such as "
            f"{first_backbone().example}"
        )
    index = _download(name, revision, _SETTINGS) / INDEX
    backbone = _recognise(name, index, _read_json(name, index))
    folders = [component.folder for part in parts for component in backbone.components(part)]
    patterns = (*_SETTINGS, *(f"{folder}/*" for folder in folders))
    folder = _download(name, revision, patterns, ignored=("*.fp16.*",))
    weighty = [one.folder for part in parts for one in backbone.components(part) if one.has_weights]
    if not all(any((folder / each).glob("*.safetensors")) for each in weighty):
        suffixes = ("safetensors", "safetensors.index.json")
        half = [f"{each}/*.fp16.{suffix}" for each in weighty for suffix in suffixes]
        _download(name, revision, half)
    return folder, folder.name


def _download(
    name: str, revision: str | None, patterns: Sequence[str], ignored: Sequence[str] = ()
) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(patterns),
                ignore_patterns=[*_OTHER_FORMATS, *ignored],
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ModelError(
            f"model {name}: neither a folder here nor found on the Hub: {error}"
        ) from error


def _read_json(name: str, path: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is no such file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {name}: {path}: cannot be read as JSON: {error}; expected a diffusers folder, "
            "whose settings are JSON"
        ) from error
    if not isinstance(data, dict):
        raise ModelError(f"model {name}: {path}: expected a JSON object")
    return data
