"""A network is loaded whole, in the precision that is asked for, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from onepic.backbones.weights import load_component, load_network
from onepic.common.errors import ModelError


def small_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
        layers_per_block=1,
        norm_num_groups=4,
    )


def small_text_encoder() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=16,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )


@pytest.fixture(params=[small_unet, small_text_encoder], ids=["diffusers", "transformers"])
def network(request: pytest.FixtureRequest) -> Any:
    """A small network of either library."""
    make: Callable[[], Any] = request.param
    return make()


def weights_in(folder: Path) -> Path:
    (file,) = folder.glob("*.safetensors")
    return file


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_network_is_loaded_in_the_asked_precision(
    network: Any, tmp_path: Path, variant: str | None
) -> None:
    network.save_pretrained(tmp_path, variant=variant)
    loaded = load_network(type(network), "mine", tmp_path, torch.bfloat16, variant)
    assert type(loaded) is type(network)
    assert not loaded.training
    assert {weight.dtype for weight in loaded.parameters()} == {torch.bfloat16}
    for before, after in zip(network.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(before.bfloat16(), after)


def test_a_network_that_lacks_weights_is_refused(network: Any, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    tensors = load_file(weights_in(tmp_path))
    first, second, *_ = sorted(tensors)
    del tensors[first], tensors[second]
    save_file(tensors, weights_in(tmp_path), metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"model mine: .*{tmp_path} lack .* and 1 more; download"):
        load_network(type(network), "mine", tmp_path, torch.float32)


def test_damaged_and_missing_weights_are_refused(network: Any, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    weights_in(tmp_path).write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=f"model mine: {tmp_path} cannot be loaded"):
        load_network(type(network), "mine", tmp_path, torch.float32)
    weights_in(tmp_path).unlink()
    with pytest.raises(ModelError, match=f"model mine: {tmp_path} cannot be loaded"):
        load_network(type(network), "mine", tmp_path, torch.float32)


def test_a_component_without_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"model mine: {tmp_path / 'gone'} cannot be loaded"):
        load_component(UNet2DConditionModel, "mine", tmp_path / "gone")
