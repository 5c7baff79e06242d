"""All in which one model differs from another, as a value of data and functions.

The paper's method, noise and loss inside the mask and a clean context, is written once elsewhere.
Nothing here imports torch, as commands that plan or refuse should be quick; functions import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from .process import Process
    from .sampling import Sampling
    from .texts import Embeddings

#: What a model's parts are loaded for: to encode or decode panels, to encode prompts, to be
#: trained and sampled.
Part = Literal["vae", "encoders", "network"]


@dataclass(frozen=True)
class Component:
    """A folder of a model, and the class that loads it, such as ``diffusers.AutoencoderKL``."""

    folder: str
    kind: str
    has_weights: bool = True

    def load_class(self) -> Any:
        """Import the class."""
        library, _, name = self.kind.rpartition(".")
        return getattr(import_module(library), name)


@dataclass(frozen=True)
class KohyaNames:
    """How kohya's sd-scripts name a LoRA of this model.

    `key` gives the key of a layer's weights, or None for a layer that has no name there; it is
    given the network's settings too. `header` is what kohya's trainer says in a file's header.
    """

    key: Callable[[str, Mapping[str, Any]], str | None]
    header: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Backbone:
    """A kind of model.

    Attributes:
        name: the word in dataset.json.
        title: what people call it.
        tag: its tag on the Hub.
        example: the Hub id of one, for messages.
        pipelines: how ``_class_name`` in model_index.json begins; the first is what this project's
            own pipeline is saved under.
        stock: diffusers' own pipeline.
        network: what is trained; its folder is also the prefix of an adapter's weights.
        vae: the autoencoder of panels.
        encoders: what `embed` needs, by their folders.
        options: further entries of model_index.json, with their defaults.
        targets: the ends of the names of layers that an adapter is put on by default.
        sampling: the schedulers that a sampler offers, and how it uses them.
        kohya: how kohya's files name an adapter's weights, if they do.
        refusal: why a model of these settings of its network and VAE cannot be used, if it cannot.
        native_area: the canvas, in square px, that a network was trained on, from its settings,
            the VAE's, and px along a side of a latent cell.
        text_widths: the last axis of each array that a prompt becomes, by the network's settings.
        zero_empty_prompt: whether no prompt is zeros instead of the empty prompt, by the entries
            of model_index.json.
        embed: the arrays that prompts become, from the loaded `encoders` by folder, computed on a
            device (by default where they are).
        conditions: what the network is told of B samples besides their prompts, [B, ...] by name:
            from each one's JSON, and how their recipe fits images into panels.
        predict: the network's output for x_t, [B, C, H, W], at timesteps [B] or a single one. x_t
            and the texts, [B, ...] by name, have the dtype that is computed in, conditions,
            [B, ...] by name, are float32.
        process: how noise is added, by the folder with the settings of the model's scheduler.
    """

    name: str
    title: str
    tag: str
    example: str
    pipelines: tuple[str, ...]
    stock: str
    network: Component
    vae: Component
    encoders: tuple[Component, ...]
    options: Mapping[str, Any]
    targets: tuple[str, ...]
    sampling: Sampling
    kohya: KohyaNames | None
    refusal: Callable[[Mapping[str, Any], Mapping[str, Any]], str | None]
    native_area: Callable[[Mapping[str, Any], Mapping[str, Any], int], int]
    text_widths: Callable[[Mapping[str, Any]], Mapping[str, int | None]]
    zero_empty_prompt: Callable[[Mapping[str, Any]], bool]
    embed: Callable[[Mapping[str, Any], Sequence[str], torch.device | None], Embeddings]
    conditions: Callable[[Sequence[Mapping[str, Any]], str], Mapping[str, NDArray[np.float32]]]
    predict: Callable[[Any, Tensor, Tensor, Mapping[str, Tensor], Mapping[str, Tensor]], Tensor]
    process: Callable[[Path], Process]

    def __eq__(self, other: object) -> bool:
        """Whether it is the same, or its copy in another process."""
        return isinstance(other, Backbone) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def components(self, part: Part) -> tuple[Component, ...]:
        """The components that a part consists of."""
        if part == "encoders":
            return self.encoders
        return (self.vae,) if part == "vae" else (self.network,)
