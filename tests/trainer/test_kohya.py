from __future__ import annotations

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from safetensors import safe_open
from torch import nn

from onepic.backbones import BACKBONES
from onepic.backbones.sdxl.kohya import kohya_key
from onepic.common.errors import SettingsError
from onepic.trainer.adapter import adapter_state, add_adapter
from onepic.trainer.adapter_settings import AdapterSettings
from onepic.trainer.export import DIFFUSERS_WEIGHTS, write_adapter
from onepic.trainer.kohya import to_kohya, write_kohya

SDXL = BACKBONES["sdxl"]
CONFIG = {"layers_per_block": 2}
#: Every kind of layer that SDXL has, those outside of its blocks included.
EVERYWHERE = (
    *("conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2"),
    *("add_embedding.linear_1", "add_embedding.linear_2"),
    *("conv1", "conv2", "time_emb_proj", "conv_shortcut"),
    *("downsamplers.0.conv", "upsamplers.0.conv", "proj_in", "proj_out"),
    *("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
)


def meta_state(unet, targets):
    settings = AdapterSettings(targets=targets, rank=1)
    add_adapter(unet, settings, seed=0)
    return {name: torch.zeros(1, 1) for name in adapter_state(unet, settings)}, settings


def layers_of(keys):
    return {key.removeprefix("lora_unet_").partition(".")[0] for key in keys}


def test_sdxl_has_the_names_that_kohya_gives_its_self_attention(sdxl):
    state, settings = meta_state(sdxl, SDXL.targets)
    keys = set(to_kohya(state, settings, SDXL.kohya, CONFIG))
    # Attention stands in these blocks of the original U-Net, with so many transformer layers each.
    depths = dict.fromkeys(("input_blocks_4_1", "input_blocks_5_1"), 2)
    depths |= dict.fromkeys(("input_blocks_7_1", "input_blocks_8_1", "middle_block_1"), 10)
    depths |= {f"output_blocks_{number}_1": 10 for number in (0, 1, 2)}
    depths |= {f"output_blocks_{number}_1": 2 for number in (3, 4, 5)}
    assert keys == {
        f"lora_unet_{block}_transformer_blocks_{number}_attn1_to_{name}.{weight}"
        for block, depth in depths.items()
        for number in range(depth)
        for name in "qkv"
        for weight in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    assert len(keys) == 3 * 210


def test_every_linear_and_convolution_layer_of_sdxl_has_a_name_of_its_own(sdxl):
    layers = [n for n, module in sdxl.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    state, settings = meta_state(sdxl, EVERYWHERE)
    assert (
        len(layers_of(to_kohya(state, settings, SDXL.kohya, CONFIG)))
        == len(layers)
        == len(state) / 2
    )


@pytest.mark.parametrize(
    ("layer", "layers_per_block", "key"),
    [
        ("conv_in", 2, "input_blocks_0_0"),
        ("conv_out", 2, "out_2"),
        ("time_embedding.linear_2", 2, "time_embed_2"),
        ("add_embedding.linear_1", 2, "label_emb_0_0"),
        ("down_blocks.0.resnets.1.conv1", 2, "input_blocks_2_0_in_layers_2"),
        ("down_blocks.0.downsamplers.0.conv", 2, "input_blocks_3_0_op"),
        ("down_blocks.1.resnets.0.conv_shortcut", 2, "input_blocks_4_0_skip_connection"),
        ("down_blocks.1.attentions.0.proj_in", 2, "input_blocks_4_1_proj_in"),
        ("mid_block.resnets.0.time_emb_proj", 2, "middle_block_0_emb_layers_1"),
        ("mid_block.attentions.0.proj_out", 2, "middle_block_1_proj_out"),
        ("mid_block.resnets.1.conv2", 2, "middle_block_2_out_layers_3"),
        ("up_blocks.0.attentions.2.proj_in", 2, "output_blocks_2_1_proj_in"),
        ("up_blocks.0.upsamplers.0.conv", 2, "output_blocks_2_2_conv"),
        ("up_blocks.2.resnets.2.conv1", 2, "output_blocks_8_0_in_layers_2"),
        ("down_blocks.1.attentions.0.proj_in", 1, "input_blocks_3_1_proj_in"),
        ("down_blocks.1.downsamplers.0.conv", 1, "input_blocks_4_0_op"),
        ("up_blocks.1.attentions.1.proj_in", 1, "output_blocks_3_1_proj_in"),
        ("up_blocks.1.upsamplers.0.conv", 1, "output_blocks_3_2_conv"),
    ],
)
def test_layers_have_their_names_in_the_original_unet(layer, layers_per_block, key):
    assert kohya_key(layer, {"layers_per_block": layers_per_block}) == f"lora_unet_{key}"


@pytest.mark.parametrize(
    "layer", ["down_blocks.0.motion_modules.0.proj_in", "mid_block.attentions.1.proj_in", "encoder"]
)
def test_a_layer_that_kohya_does_not_know_is_named(layer):
    with pytest.raises(SettingsError, match=layer):
        to_kohya({f"{layer}.lora_A.weight": torch.zeros(1)}, AdapterSettings(), SDXL.kohya, CONFIG)


@pytest.mark.parametrize("kind", ["dora", "loha", "lokr", "full"])
def test_other_kinds_have_no_kohya_naming(kind):
    with pytest.raises(SettingsError, match=f"kind={kind} has no such naming"):
        to_kohya({}, AdapterSettings(kind=kind), SDXL.kohya, CONFIG)


@pytest.fixture
def files(new_unet, change_weights, tmp_path):
    """`files(kind, layers_per_block)` trains, and writes the main file and kohya's beside it."""

    def write(kind, layers_per_block=1, rank=4, targets=EVERYWHERE):
        unet = new_unet(layers_per_block=layers_per_block)
        settings = AdapterSettings(kind=kind, rank=rank, alpha=2, targets=targets)
        add_adapter(unet, settings, seed=0)
        change_weights(unet)
        write_adapter(tmp_path, unet, settings, "unet")
        write_kohya(
            tmp_path / "kohya.safetensors", unet, settings, SDXL, {"ss_output_name": "colour"}
        )
        return unet, tmp_path / "kohya.safetensors"

    return write


@pytest.fixture
def load_stock(new_unet):
    """`load_stock(file, layers_per_block)` is a fresh U-Net with a file that diffusers loaded."""

    def load(file, layers_per_block=1):
        missing = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
        pipe = StableDiffusionXLPipeline(
            **dict.fromkeys(missing),
            unet=new_unet(layers_per_block=layers_per_block),
            scheduler=EulerDiscreteScheduler(),
        )
        pipe.load_lora_weights(file.parent, weight_name=file.name)
        return pipe.unet

    return load


@pytest.mark.parametrize("layers_per_block", [1, 2])
@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_stock_diffusers_gets_the_same_from_the_kohya_file_to_the_bit(
    kind, layers_per_block, files, load_stock, predict
):
    # Of rank 4 and alpha 2, by whose scales, a half and 1, floats are multiplied to the bit.
    unet, kohya = files(kind, layers_per_block)
    main = load_stock(kohya.with_name(DIFFUSERS_WEIGHTS), layers_per_block)
    loaded = predict(load_stock(kohya, layers_per_block))
    assert torch.equal(loaded, predict(main))
    assert torch.equal(loaded, predict(unet))


def test_rslora_of_any_rank_keeps_its_scale(files, load_stock, predict):
    unet, kohya = files("rslora", rank=3)
    torch.testing.assert_close(predict(load_stock(kohya)), predict(unet), rtol=1e-5, atol=1e-5)


def test_the_header_says_what_webuis_show(files):
    _, kohya = files("rslora", targets=("attn1.to_q",))
    with safe_open(kohya, "pt") as file:
        header = file.metadata()
    assert header["ss_base_model_version"] == "sdxl_base_v1-0"
    assert (header["ss_network_dim"], header["ss_network_alpha"]) == ("4", "4.0")
    assert header["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert header["ss_output_name"] == "colour"
