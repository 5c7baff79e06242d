"""Networks and tokenizers from a model's folder, whole or not at all."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import ModelError

if TYPE_CHECKING:
    import torch

#: What each library's `from_pretrained` calls the precision.
_DTYPE = {"diffusers": "torch_dtype", "transformers": "dtype"}


def load_network(
    cls: Any, name: str, folder: Path, dtype: torch.dtype, variant: str | None = None
) -> Any:
    """A network with every one of its weights, on the CPU and in evaluation mode.

    Args:
        cls: a class of diffusers or transformers, or one made from theirs.
        name: the model's, for messages.
        folder: the component's, such as ``sdxl/unet``.
        dtype: what the weights become.
        variant: "fp16" where the weights' files carry that in their names.

    Raises:
        ModelError: naming the component, when it cannot be loaded or lacks weights.
    """
    library = _library_of(cls)
    # Its bar for loading a file would break into ours.
    import_module(f"{library}.utils.logging").disable_progress_bar()
    network, found = load_component(
        cls,
        name,
        folder,
        variant=variant,
        use_safetensors=True,
        output_loading_info=True,
        **{_DTYPE[library]: dtype},
    )
    # Both libraries give random numbers to weights that are not in the file.
    missing = {each for each, _ in network.named_parameters()} & set(found["missing_keys"])
    if missing:
        raise ModelError(
            f"model {name}: the weights in {folder} lack {min(missing)}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; download it again"
        )
    return network.eval()


def _library_of(cls: Any) -> str:
    """The library whose `from_pretrained` a class has."""
    modules: list[str] = [base.__module__.partition(".")[0] for base in cls.__mro__]
    return next(name for name in modules if name in _DTYPE)


def load_component(cls: Any, name: str, folder: Path, **options: Any) -> Any:
    """Make a component of its folder, by `cls.from_pretrained`.

    Raises:
        ModelError: naming the component, whatever the library raised.
    """
    try:
        return cls.from_pretrained(folder, **options)
    except Exception as error:  # their readers raise anything on a damaged file
        raise ModelError(f"model {name}: {folder} cannot be loaded: {error}") from error
