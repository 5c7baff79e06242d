"""Latents are the VAE's, each panel's its own; embeddings are those of SDXL's pipeline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from onepic import miniature
from onepic.backbones.model import Model, open_model
from onepic.common.errors import ModelError
from onepic.compiler.engines.encoder import Encoder

MODEL = open_model("miniature")
WIDTH, HEIGHT = 48, 32


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """So small a model is fastest with a single thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The miniature, loaded once; for reading only."""
    return Encoder(MODEL)


@pytest.fixture
def panels(picture: Any) -> Callable[..., NDArray[np.uint8]]:
    """`panels(*seeds)` is a batch of pictures, uint8 [B, HEIGHT, WIDTH, 3]."""

    def draw(*seeds: int) -> NDArray[np.uint8]:
        return np.stack([np.asarray(picture(WIDTH, HEIGHT, seed)) for seed in seeds])

    return draw


def encode(encoder: Encoder, pixels: NDArray[np.uint8], *seeds: int) -> NDArray[np.float32]:
    """The latents of a batch, float32 [B, C, h, w], none of them refused."""
    latents = encoder.encode_panels(pixels, seeds or [0] * len(pixels))
    assert all(latent is not None for latent in latents)
    return np.stack([latent for latent in latents if latent is not None]).astype(np.float32)


@torch.inference_mode()
def distribution(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation by diffusers alone, float32 [B, C, h, w], not scaled."""
    vae = AutoencoderKL.from_pretrained(miniature.path() / "vae")
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = vae.encode(batch).latent_dist
    return latents.mean.numpy(), latents.std.numpy()


def scaled(**changes: float) -> Model:
    """The miniature with other settings of its latents."""
    return replace(MODEL, latents=replace(MODEL.latents, **changes))


def loud(factor: float = 1e4) -> Encoder:
    """The miniature with a first layer so strong that bright pixels leave the range of float16."""
    encoder = Encoder(MODEL)
    encoder.vae.encoder.conv_in.weight.data *= factor
    return encoder


def test_latents_are_half_precision_and_smaller_by_the_factor(
    encoder: Encoder, panels: Any
) -> None:
    latents = encoder.encode_panels(panels(1, 2, 3), [0, 0, 0])
    assert len(latents) == 3
    for latent in latents:
        assert latent is not None
        assert latent.shape == (4, HEIGHT // 8, WIDTH // 8)
        assert latent.dtype == np.float16
        assert latent.flags.c_contiguous


def test_latents_are_the_means_of_the_vae_scaled_for_the_unet(
    encoder: Encoder, panels: Any
) -> None:
    mean, _ = distribution(panels(1, 2))
    expected = mean * MODEL.latents.scaling_factor
    np.testing.assert_allclose(encode(encoder, panels(1, 2)), expected, rtol=2e-3, atol=2e-3)


def test_a_models_shift_is_taken_off_before_scaling(panels: Any) -> None:
    encoder = Encoder(scaled(shift_factor=0.5, scaling_factor=2.0))
    mean, _ = distribution(panels(1))
    expected = (mean - 0.5) * 2
    np.testing.assert_allclose(encode(encoder, panels(1)), expected, rtol=2e-3, atol=5e-3)


def test_a_batch_of_the_same_shape_gives_a_panel_the_same_bits(
    encoder: Encoder, panels: Any
) -> None:
    first = encode(encoder, panels(1, 2, 3))
    assert (encode(encoder, panels(1, 2, 3)) == first).all()
    assert (encode(encoder, panels(1, 8, 9))[0] == first[0]).all()


def test_a_panel_does_not_see_the_others_of_its_batch(encoder: Encoder, panels: Any) -> None:
    together = encode(encoder, panels(1, 2, 3))
    for number, seed in enumerate((1, 2, 3)):
        alone = encode(encoder, panels(seed))[0]
        np.testing.assert_allclose(together[number], alone, rtol=2e-3, atol=1e-3)
    turned = encode(encoder, panels(3, 2, 1))[::-1]
    np.testing.assert_allclose(together, turned, rtol=2e-3, atol=1e-3)


def test_the_mean_needs_no_seed(encoder: Encoder, panels: Any) -> None:
    assert (encode(encoder, panels(1), 5) == encode(encoder, panels(1), 6)).all()


@pytest.fixture(scope="module")
def sampler() -> Encoder:
    """The miniature, drawing samples of the distribution; for reading only."""
    return Encoder(MODEL, latent="sample")


def test_a_sample_follows_from_its_seed(sampler: Encoder, panels: Any) -> None:
    first, other = encode(sampler, panels(1, 1), 5, 6)
    assert (encode(sampler, panels(1, 1), 5, 6)[0] == first).all()
    assert not np.allclose(first, other, atol=1e-3)
    moved = encode(sampler, panels(2, 1), 6, 5)[1]
    np.testing.assert_allclose(moved, first, rtol=2e-3, atol=1e-3)


def test_samples_are_spread_as_the_distribution_says(sampler: Encoder, panels: Any) -> None:
    mean, std = distribution(panels(1))
    batches = [encode(sampler, panels(*[1] * 8), *range(n, n + 8)) for n in range(0, 32, 8)]
    samples = np.concatenate(batches) / MODEL.latents.scaling_factor
    standard = (samples - mean) / std
    assert abs(standard.mean()) < 5 / np.sqrt(standard.size)
    assert standard.std() == pytest.approx(1, abs=0.05)


def test_a_panel_that_leaves_half_precision_is_encoded_again_in_full(panels: Any) -> None:
    pixels = np.concatenate([np.full((1, HEIGHT, WIDTH, 3), 127, np.uint8), panels(1)])
    encoder, full = loud(), loud()
    encoder.vae.to(torch.float16)
    full.vae.to(torch.float16).to(torch.float32)
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).to(encoder.device).permute(0, 3, 1, 2).half() / 127.5 - 1
        raw = encoder.vae.encode(batch).latent_dist.mean
    assert [bool(each.isfinite().all()) for each in raw] == [True, False]
    grey, bright = encode(encoder, pixels)
    assert (bright == encode(full, pixels[1:])[0]).all()
    np.testing.assert_allclose(grey, encode(full, pixels[:1])[0], rtol=0.05, atol=0.05)
    assert encoder.vae.dtype == torch.float16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_panel_without_finite_latents_is_refused(
    panels: Any, dtype: torch.dtype, value: float
) -> None:
    encoder = Encoder(MODEL)
    encoder.vae.quant_conv.bias.data[1] = value
    encoder.vae.to(dtype)
    assert encoder.encode_panels(panels(1, 2), [0, 0]) == [None, None]
    assert encoder.vae.dtype == dtype


def test_a_panel_is_refused_alone(panels: Any) -> None:
    pixels = panels(1, 2)
    loudest = np.abs(distribution(pixels)[0]).max(axis=(1, 2, 3))
    assert loudest[0] != pytest.approx(loudest[1], rel=0.01)
    # Scaled so that only one of the two leaves the range in which latents are stored.
    scale = np.finfo(np.float16).max / np.sqrt(loudest[0] * loudest[1])
    encoder = Encoder(scaled(scaling_factor=float(scale)))
    latents = encoder.encode_panels(pixels, [0, 0])
    assert [latent is None for latent in latents] == list(loudest == loudest.max())


def test_an_encoder_keeps_to_its_number_of_threads(panels: Any) -> None:
    encoder = Encoder(MODEL, threads=2)
    encoder.encode_panels(panels(1), [0])
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    encoder.encode_prompts(["a red ball"])
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_embeddings_have_the_shapes_of_both_encoders(encoder: Encoder) -> None:
    embeddings = encoder.encode_prompts(["a red ball", "a blue cube", ""])
    assert embeddings.arrays["hidden"].shape == (3, 77, 64 + 96)
    assert embeddings.arrays["pooled"].shape == (3, 96)
    assert embeddings.arrays["hidden"].dtype == embeddings.arrays["pooled"].dtype == np.float16
    assert embeddings.cut == [False, False, False]


def test_embeddings_are_those_of_the_stock_pipeline(encoder: Encoder) -> None:
    pipeline = StableDiffusionXLPipeline.from_pretrained(miniature.path(), unet=None, vae=None)
    prompts = ["a red ball on a white background", "make the ball blue"]
    with torch.inference_mode():
        hidden, _, pooled, _ = pipeline.encode_prompt(prompts, do_classifier_free_guidance=False)
    embeddings = encoder.encode_prompts(prompts)
    np.testing.assert_allclose(embeddings.arrays["hidden"], hidden.numpy(), rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(embeddings.arrays["pooled"], pooled.numpy(), rtol=1e-2, atol=1e-2)


def test_a_prompt_has_the_same_embedding_anywhere_in_a_batch(encoder: Encoder) -> None:
    colours = ["red", "blue", "green", "yellow", "white", "black"]
    prompts = [f"a {one} ball and a {other} cube" for one in colours for other in colours]
    many = encoder.encode_prompts(prompts)
    assert (
        len(many.arrays["hidden"])
        == len(many.arrays["pooled"])
        == len(many.cut)
        == len(prompts)
        == 36
    )
    for number in (0, 15, 16, 35):
        alone = encoder.encode_prompts([prompts[number]])
        np.testing.assert_allclose(
            many.arrays["hidden"][number], alone.arrays["hidden"][0], rtol=2e-3, atol=2e-3
        )
        np.testing.assert_allclose(
            many.arrays["pooled"][number], alone.arrays["pooled"][0], rtol=2e-3, atol=2e-3
        )
    assert len({pooled.tobytes() for pooled in many.arrays["pooled"]}) == 36


def test_a_prompt_longer_than_the_text_encoders_take_is_cut_and_marked(encoder: Encoder) -> None:
    longest = " ".join(["ball"] * 75)  # with a token for the start and one for the end, 77
    embeddings = encoder.encode_prompts([longest, longest + " cube", "a red ball"])
    assert embeddings.cut == [False, True, False]
    assert embeddings.arrays["hidden"].shape[1] == 77
    np.testing.assert_allclose(
        embeddings.arrays["hidden"][0].astype(float),
        embeddings.arrays["hidden"][1],
        rtol=2e-3,
        atol=2e-3,
    )


def test_the_empty_prompt_is_zeros_where_the_pipeline_says_so(encoder: Encoder) -> None:
    empty = encoder.encode_empty_prompt()
    assert empty.arrays["hidden"].shape == (1, 77, 160)
    assert empty.arrays["pooled"].shape == (1, 96)
    assert empty.arrays["hidden"].dtype == empty.arrays["pooled"].dtype == np.float16
    assert not empty.arrays["hidden"].any()
    assert not empty.arrays["pooled"].any()


def test_the_empty_prompt_is_encoded_where_the_pipeline_says_so(encoder: Encoder) -> None:
    other = Encoder(replace(MODEL, index={"force_zeros_for_empty_prompt": False}))
    empty, expected = other.encode_empty_prompt(), encoder.encode_prompts([""])
    assert empty.arrays["hidden"].any()
    np.testing.assert_allclose(
        empty.arrays["hidden"], expected.arrays["hidden"], rtol=2e-3, atol=2e-3
    )


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str], Model]:
    """`broken(file)` is the miniature with one file cut in half, as by a broken download."""

    def make(file: str) -> Model:
        folder = tmp_path / "model"
        shutil.copytree(miniature.path(), folder, copy_function=os.symlink)
        whole = (folder / file).read_bytes()
        (folder / file).unlink()
        (folder / file).write_bytes(whole[: len(whole) // 2])
        return open_model(str(folder))

    return make


def test_a_damaged_vae_is_named(broken: Callable[[str], Model]) -> None:
    model = broken("vae/diffusion_pytorch_model.safetensors")
    with pytest.raises(ModelError, match=f"{model.folder / 'vae'} cannot be loaded"):
        Encoder(model)


@pytest.mark.parametrize(
    "file", ["text_encoder/model.safetensors", "text_encoder_2/config.json", "tokenizer/vocab.json"]
)
def test_damaged_text_encoders_are_named_when_they_are_needed(
    broken: Callable[[str], Model], panels: Any, file: str
) -> None:
    model = broken(file)
    encoder = Encoder(model)
    assert encoder.encode_panels(panels(1), [0])[0] is not None
    component = model.folder / Path(file).parent
    with pytest.raises(ModelError, match=f"{component} cannot be loaded"):
        encoder.encode_prompts(["a red ball"])


@pytest.mark.parametrize("component", ["vae", "text_encoder", "text_encoder_2"])
def test_weights_that_lack_a_tensor_are_refused(tmp_path: Path, component: str) -> None:
    """Their libraries fill the gap with random numbers."""
    folder = Path(shutil.copytree(miniature.path(), tmp_path / "model"))
    (weights,) = (folder / component).glob("*.safetensors")
    tensors = load_file(weights)
    name = sorted(tensors)[3]
    del tensors[name]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=f"{component} lack .*{name[-20:]}; download it again"):
        Encoder(open_model(str(folder))).encode_prompts(["a prompt"])
