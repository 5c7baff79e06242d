from __future__ import annotations

import json
import logging

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from peft import PeftConfig, PeftModel, inject_adapter_in_model, set_peft_model_state_dict
from peft.utils import load_peft_weights
from safetensors import safe_open
from safetensors.torch import load_file, save

from onepic.backbones import BACKBONES
from onepic.common.errors import ModelError, SettingsError
from onepic.miniature import path
from onepic.trainer.adapter import adapter_state, add_adapter
from onepic.trainer.adapter_settings import AdapterSettings
from onepic.trainer.export import DIFFUSERS_WEIGHTS, load_trained, to_safetensors, write_adapter

LORA_KINDS = ("lora", "rslora", "dora")
KINDS = (*LORA_KINDS, "loha", "lokr", "full")


@pytest.fixture
def trained(unet, change_weights):
    """`trained(kind)` gives a U-Net with a changed adapter and its settings.

    The scale is a quarter, by which floats are multiplied to the bit.
    """

    def make(kind, **changes):
        targets = ("attn1.to_q", "attn1.to_k", "attn2.to_v", "ff.net.2", "conv1")
        plain = {"rank": 4, "alpha": 2 if kind == "rslora" else 1, "targets": targets}
        settings = AdapterSettings(kind=kind, **plain | changes)
        add_adapter(unet, settings, seed=0)
        change_weights(unet)
        return unet, settings

    return make


@pytest.fixture
def pipeline():
    """`pipeline(unet)` is a stock SDXL pipeline that has nothing but a U-Net."""
    missing = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")

    def make(unet):
        parts = dict.fromkeys(missing)
        return StableDiffusionXLPipeline(**parts, unet=unet, scheduler=EulerDiscreteScheduler())

    return make


@pytest.mark.parametrize("kind", LORA_KINDS)
def test_stock_diffusers_loads_the_adapter_to_the_bit(
    kind, trained, new_unet, pipeline, predict, tmp_path, caplog
):
    unet, settings = trained(kind)
    write_adapter(tmp_path, unet, settings, "unet")
    pipe = pipeline(new_unet())
    with caplog.at_level(logging.WARNING):
        pipe.load_lora_weights(tmp_path)
    assert torch.equal(predict(pipe.unet), predict(unet))
    assert not torch.allclose(predict(new_unet()), predict(unet), atol=1e-2)
    # Nothing was missing but what this pipeline does not have.
    assert all("text_encoder" in record.message for record in caplog.records)


def test_stock_diffusers_loads_a_lokr_into_the_unet_to_the_bit(
    trained, new_unet, predict, tmp_path
):
    unet, settings = trained("lokr")
    write_adapter(tmp_path, unet, settings, "unet")
    fresh = new_unet()
    fresh.load_lora_adapter(tmp_path, weight_name=DIFFUSERS_WEIGHTS, prefix="unet")
    assert torch.equal(predict(fresh), predict(unet))


def test_stock_peft_loads_a_loha_to_the_bit(trained, new_unet, predict, tmp_path):
    unet, settings = trained("loha")
    write_adapter(tmp_path, unet, settings, "unet")
    model = PeftModel.from_pretrained(new_unet(), tmp_path)
    assert torch.equal(predict(model), predict(unet))


def test_a_loha_can_be_injected_with_the_files_that_peft_finds(
    trained, new_unet, predict, tmp_path
):
    unet, settings = trained("loha")
    write_adapter(tmp_path, unet, settings, "unet")
    fresh = inject_adapter_in_model(PeftConfig.from_pretrained(tmp_path), new_unet())
    result = set_peft_model_state_dict(fresh, load_peft_weights(tmp_path, device="cpu"))
    assert not result.unexpected_keys
    assert torch.equal(predict(fresh), predict(unet))


def test_stock_diffusers_loads_a_full_unet_to_the_bit(trained, predict, tmp_path):
    unet, settings = trained("full")
    assert write_adapter(tmp_path, unet, settings, "unet") == tmp_path / "unet"
    fresh = UNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet")
    assert torch.equal(predict(fresh), predict(unet))
    assert sorted(path.name for path in (tmp_path / "unet").iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_unet_takes_every_kind_back_to_the_bit(kind, trained, new_unet, predict, tmp_path):
    unet, settings = trained(kind)
    write_adapter(tmp_path, unet, settings, "unet")
    fresh = new_unet()
    load_trained(fresh, tmp_path, "unet")
    assert torch.equal(predict(fresh), predict(unet))


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_weights_take_the_dtype_of_the_unet(kind, trained, new_unet, tmp_path):
    unet, settings = trained(kind)
    write_adapter(tmp_path, unet, settings, "unet")
    fresh = new_unet().to(torch.float16)
    load_trained(fresh, tmp_path, "unet")
    assert {value.dtype for value in fresh.parameters()} == {torch.float16}


@pytest.mark.parametrize("kind", KINDS)
def test_writing_again_replaces_what_was_there(
    kind, trained, new_unet, predict, change_weights, tmp_path
):
    unet, settings = trained(kind)
    write_adapter(tmp_path, unet, settings, "unet")
    files = sorted(path.name for path in tmp_path.rglob("*"))
    change_weights(unet)
    write_adapter(tmp_path, unet, settings, "unet")
    fresh = new_unet()
    load_trained(fresh, tmp_path, "unet")
    assert torch.equal(predict(fresh), predict(unet))
    assert sorted(path.name for path in tmp_path.rglob("*")) == files


@pytest.mark.parametrize("kind", LORA_KINDS)
def test_the_file_is_the_one_that_diffusers_writes_less_peft_s_defaults(
    kind, trained, new_unet, tmp_path
):
    ours = write_adapter(tmp_path / "ours", *trained(kind), "unet")
    fresh = new_unet()
    load_trained(fresh, tmp_path / "ours", "unet")
    StableDiffusionXLPipeline.save_lora_weights(
        tmp_path / "theirs",
        unet_lora_layers=adapter_state(fresh, AdapterSettings(kind=kind)),
        unet_lora_adapter_metadata=fresh.peft_config["default"].to_dict(),
    )
    with safe_open(ours, "pt") as one, safe_open(tmp_path / "theirs" / ours.name, "pt") as other:
        assert set(one.keys()) == set(other.keys())
        assert all(torch.equal(one.get_tensor(k), other.get_tensor(k)) for k in one.keys())  # noqa: SIM118
        fields, theirs = (
            json.loads(file.metadata()["lora_adapter_metadata"]) for file in (one, other)
        )
    theirs["unet.target_modules"] = sorted(theirs["unet.target_modules"])
    assert fields.items() <= theirs.items()


def without_metadata(file):
    """Take the header's metadata from a file, as programs do that read tensors alone."""
    file.write_bytes(save(load_file(file)))


@pytest.mark.parametrize("kind", LORA_KINDS)
def test_diffusers_gets_the_same_without_the_metadata_to_the_bit(
    kind, trained, new_unet, pipeline, predict, tmp_path
):
    unet, settings = trained(kind)
    without_metadata(write_adapter(tmp_path, unet, settings, "unet"))
    pipe = pipeline(new_unet())
    pipe.load_lora_weights(tmp_path)
    assert torch.equal(predict(pipe.unet), predict(unet))


def test_diffusers_gets_the_same_of_a_lokr_without_the_metadata(
    trained, new_unet, predict, tmp_path
):
    # diffusers does not know the shapes of convolutions without it.
    unet, settings = trained("lokr", targets=("attn1.to_q", "attn2.to_v", "ff.net.2"))
    without_metadata(write_adapter(tmp_path, unet, settings, "unet"))
    fresh = new_unet()
    fresh.load_lora_adapter(tmp_path, weight_name=DIFFUSERS_WEIGHTS, prefix="unet")
    assert torch.equal(predict(fresh), predict(unet))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "full"])
def test_what_is_written_says_that_its_scale_is_1(kind, trained, tmp_path):
    write_adapter(tmp_path, *trained(kind, rank=5, alpha=3), "unet")
    if kind == "loha":
        fields = json.loads((tmp_path / "adapter_config.json").read_text())
    else:
        with safe_open(tmp_path / DIFFUSERS_WEIGHTS, "pt") as file:
            fields = json.loads(file.metadata()["lora_adapter_metadata"])
    told = {name.removeprefix("unet."): value for name, value in fields.items()}
    assert told.get("alpha", told.get("lora_alpha")) == told["r"] == 5
    assert not told.get("use_rslora")


@pytest.mark.parametrize("kind", KINDS)
def test_any_scale_comes_back(kind, trained, new_unet, predict, tmp_path):
    unet, settings = trained(kind, rank=5, alpha=3)
    write_adapter(tmp_path, unet, settings, "unet")
    fresh = new_unet()
    load_trained(fresh, tmp_path, "unet")
    torch.testing.assert_close(predict(fresh), predict(unet), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LORA_KINDS)
def test_a_file_of_before_whose_scale_stands_in_its_metadata_is_read(
    kind, trained, new_unet, predict, tmp_path
):
    unet, settings = trained(kind, rank=5, alpha=3)
    StableDiffusionXLPipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=adapter_state(unet, settings),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
    )
    fresh = new_unet()
    load_trained(fresh, tmp_path, "unet")
    assert torch.equal(predict(fresh), predict(unet))


@pytest.mark.parametrize("told", [True, False], ids=["with metadata", "without"])
def test_the_defaults_do_the_same_to_the_miniature_whoever_reads_them(
    told, pipeline, change_weights, tmp_path
):
    def miniature():
        return UNet2DConditionModel.from_pretrained(path(), subfolder="unet")

    def noise_of(unet):
        size = unet.config.sample_size
        random = torch.Generator().manual_seed(0)
        prompt = torch.randn(1, 77, unet.config.cross_attention_dim, generator=random)
        width = unet.config.projection_class_embeddings_input_dim
        pooled = torch.randn(1, width - 6 * unet.config.addition_time_embed_dim, generator=random)
        sizes = {"text_embeds": pooled, "time_ids": torch.full((1, 6), 64.0)}
        latents = torch.randn(1, 4, size, size, generator=random)
        with torch.no_grad():
            return unet(latents, 500, prompt, added_cond_kwargs=sizes).sample

    unet, settings = miniature(), AdapterSettings().on(BACKBONES["sdxl"])
    add_adapter(unet, settings, seed=0)
    change_weights(unet)
    file = write_adapter(tmp_path, unet, settings, "unet")
    if not told:
        without_metadata(file)
    pipe = pipeline(miniature())
    pipe.load_lora_weights(tmp_path)
    found = noise_of(pipe.unet)
    assert torch.equal(found, noise_of(unet))
    assert (found - noise_of(miniature())).abs().mean() > 1e-3


def test_the_same_weights_give_the_same_bytes():
    tensors = {name: torch.ones(2) for name in "cab"}
    names = "format modelspec.title ss_network_dim ss_network_alpha"
    files = [to_safetensors(tensors, dict.fromkeys(names.split(), "1")) for _ in range(8)]
    assert len(set(files)) == 1


def test_weights_of_a_bfloat16_run_are_written_in_float32(new_unet, tmp_path):
    unet, settings = new_unet().to(torch.bfloat16), AdapterSettings(rank=2).on(BACKBONES["sdxl"])
    add_adapter(unet, settings, seed=0)
    with safe_open(write_adapter(tmp_path, unet, settings, "unet"), "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float32}  # noqa: SIM118


def test_a_folder_without_weights_is_refused_with_what_was_expected(unet, tmp_path):
    with pytest.raises(ModelError, match="expected pytorch_lora_weights"):
        load_trained(unet, tmp_path, "unet")


def test_weights_of_another_unet_are_refused(trained, new_unet, tmp_path):
    unet, settings = trained("lora")
    write_adapter(tmp_path, unet, settings, "unet")
    with pytest.raises(SettingsError, match="not of this adapter or network"):
        load_trained(new_unet(layers_per_block=2), tmp_path, "unet")
