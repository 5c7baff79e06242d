from __future__ import annotations

import pytest
import torch

from onepic.backbones import BACKBONES
from onepic.common.errors import SettingsError
from onepic.trainer.adapter import (
    adapter_state,
    add_adapter,
    count_parameters,
    load_adapter_state,
    peft_fields,
    settings_of,
    trainable,
)
from onepic.trainer.adapter_settings import AdapterSettings

SDXL = BACKBONES["sdxl"]

KINDS = ("lora", "rslora", "dora", "loha", "lokr")


def same_state(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_sdxl_has_the_papers_number_of_trained_parameters(sdxl):
    base = count_parameters(sdxl)[1]
    add_adapter(sdxl, AdapterSettings().on(SDXL), seed=0)
    assert base == 2_567_463_684
    assert count_parameters(sdxl) == (15_974_400, base + 15_974_400)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_adapter_changes_nothing_yet(kind, unet, predict):
    before = predict(unet)
    add_adapter(unet, AdapterSettings(kind=kind, rank=2).on(SDXL), seed=0)
    torch.testing.assert_close(predict(unet), before, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_the_base_keeps_its_dtype_and_the_adapter_is_float32(kind, dtype, unet):
    unet.to(dtype)
    add_adapter(unet, AdapterSettings(kind=kind, rank=2).on(SDXL), seed=0)
    assert {value.dtype for value in trainable(unet).values()} == {torch.float32}
    frozen = [value for value in unet.parameters() if not value.requires_grad]
    assert {value.dtype for value in frozen} == {dtype}


def test_dora_starts_from_the_exact_norms_of_a_bfloat16_base(unet):
    unet.to(torch.bfloat16)
    add_adapter(unet, AdapterSettings(kind="dora", rank=2, targets=("conv1", "to_q")), seed=0)
    for name, magnitude in trainable(unet).items():
        if "magnitude" in name:
            layer = unet.get_submodule(name.partition(".lora_")[0])
            norms = layer.get_base_layer().weight.float().flatten(1).norm(dim=1)
            torch.testing.assert_close(magnitude.flatten(), norms, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_the_first_weights(kind, new_unet):
    states = []
    for seed, noise in ((7, 1), (7, 2), (8, 1)):
        torch.manual_seed(noise)
        unet, settings = new_unet(), AdapterSettings(kind=kind, rank=2).on(SDXL)
        add_adapter(unet, settings, seed=seed)
        states.append(adapter_state(unet, settings))
    assert same_state(states[0], states[1])
    assert not same_state(states[0], states[2])


def test_adding_an_adapter_leaves_the_global_random_state_alone(unet):
    before = torch.random.get_rng_state()
    add_adapter(unet, AdapterSettings(rank=2).on(SDXL), seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_full_trains_every_weight_in_float32(unet):
    unet.to(torch.float16)
    add_adapter(unet, AdapterSettings(kind="full"), seed=0)
    assert count_parameters(unet)[0] == count_parameters(unet)[1]
    assert {value.dtype for value in unet.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", [*KINDS, "full"])
def test_a_saved_state_restores_the_very_weights(kind, new_unet, predict, change_weights):
    settings = AdapterSettings(kind=kind, rank=3, alpha=2).on(SDXL)
    trained, fresh = new_unet(), new_unet()
    for unet in (trained, fresh):
        add_adapter(unet, settings, seed=0)
    change_weights(trained)
    load_adapter_state(fresh, settings, adapter_state(trained, settings))
    assert torch.equal(predict(fresh), predict(trained))


def test_a_state_of_another_rank_is_refused_with_the_shapes(new_unet):
    two, three = AdapterSettings(rank=2).on(SDXL), AdapterSettings(rank=3).on(SDXL)
    one, other = new_unet(), new_unet()
    add_adapter(one, two, seed=0)
    add_adapter(other, three, seed=0)
    with pytest.raises(SettingsError, match=r"found \(2, 64\), expected \(3, 64\)"):
        load_adapter_state(other, three, adapter_state(one, two))


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("attn1.to_qq", "did you mean 'attn1.to_q'"),
        ("attn1", "did you mean 'attn1.to_"),
        ("spam", "examples: attn1.to_q"),
        ("conv_imn", "did you mean 'conv_in'"),
    ],
)
def test_a_target_that_matches_nothing_is_named_even_when_others_match(target, hint, unet):
    settings = AdapterSettings(targets=("attn1.to_v", target))
    with pytest.raises(SettingsError) as error:
        add_adapter(unet, settings, seed=0)
    assert repr(target) in str(error.value)
    assert hint in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_every_wrong_target_has_a_line_of_its_own(unet):
    with pytest.raises(SettingsError) as error:
        add_adapter(unet, AdapterSettings(targets=("attn1.to_qq", "proj_inn")), seed=0)
    assert len(str(error.value).splitlines()) == 2


def test_a_target_matches_whole_parts_of_names_only(unet):
    add_adapter(unet, AdapterSettings(targets=("conv_in",), rank=2), seed=0)
    assert {name.partition(".")[0] for name in trainable(unet)} == {"conv_in"}


@pytest.mark.parametrize("kind", KINDS)
def test_settings_survive_peft_s_words(kind):
    settings = AdapterSettings(kind=kind, rank=5, alpha=2.5, targets=("conv1", "to_q"))
    assert settings_of(peft_fields(settings)) == settings
