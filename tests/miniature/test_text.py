"""The text half of the miniature: stock classes load it, and prompts mean something."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from onepic.miniature import path
from onepic.miniature.captions import corpus, fill_in
from onepic.miniature.make_text import SCHEDULER, make_text

TOKENIZERS = {
    name: CLIPTokenizer.from_pretrained(path() / name) for name in ("tokenizer", "tokenizer_2")
}
UNLIKE = (
    "a red ball on a white background",
    "a tabby cat sitting in the garden",
    "colorize the photograph: galaxies in a black sky",
    "remove the cross on the left",
    "an old woman with an umbrella",
    "東京の夜",
)
ONE_WORD_APART = (
    ("make the ball red", "make the ball blue"),
    ("a cat in the garden", "a dog in the garden"),
    ("a red ball and a blue cube", "a blue ball and a red cube"),
)

both_tokenizers = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
both_encoders = pytest.mark.parametrize("encoder", ["text_encoder", "text_encoder_2"])


def squeeze(text: str) -> str:
    return "".join(text.split())


@torch.no_grad()
def encode(encoder: str, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Penultimate states [B, 77, D] and pooled output [B, D], as SDXL takes them."""
    kind = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}[encoder]
    tokenizer = TOKENIZERS[encoder.replace("text_encoder", "tokenizer")]
    model = kind.from_pretrained(path(), subfolder=encoder, dtype=torch.float32)
    tokens = tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt")
    output = model(tokens.input_ids, output_hidden_states=True)
    pooled = output.text_embeds if encoder == "text_encoder_2" else output.pooler_output
    return output.hidden_states[-2], pooled


def similarities(vectors: torch.Tensor) -> torch.Tensor:
    """The cosine similarity of each pair among [B, ...]."""
    unit = torch.nn.functional.normalize(vectors.flatten(1), dim=1)
    pairs = torch.triu_indices(len(unit), len(unit), 1)
    return (unit @ unit.T)[pairs[0], pairs[1]]


@both_tokenizers
@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "<|" not in text))
@example("Make the BALL red!  It's 3 o'clock, naïve Straße; 東京 🦊\n\x00")
def test_any_text_comes_back_in_lower_case_without_unknown_tokens(
    tokenizer: CLIPTokenizer, text: str
) -> None:
    ids = tokenizer(text, add_special_tokens=False).input_ids
    lower_case = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    assert tokenizer.unk_token_id not in ids
    assert squeeze(tokenizer.decode(ids)) == squeeze(lower_case)


@both_tokenizers
def test_every_byte_is_a_token_within_a_word_and_at_its_end(tokenizer: CLIPTokenizer) -> None:
    tokens = tokenizer.convert_ids_to_tokens(range(512))
    assert sum(token.endswith("</w>") for token in tokens) == 256
    assert sum(len(token.removesuffix("</w>")) == 1 for token in tokens) == 512


@both_tokenizers
def test_a_prompt_is_cut_and_padded_to_77_tokens(tokenizer: CLIPTokenizer) -> None:
    for prompt in ("", "a red ball", "ball " * 500):
        ids = tokenizer(prompt, padding="max_length", truncation=True).input_ids
        assert len(ids) == tokenizer.model_max_length == 77
        assert ids[0] == tokenizer.bos_token_id == 2046
        assert tokenizer.eos_token_id == 2047
        assert 2047 in ids


def test_padding_is_that_of_sdxl() -> None:
    assert TOKENIZERS["tokenizer"].pad_token_id == TOKENIZERS["tokenizer"].eos_token_id
    assert TOKENIZERS["tokenizer_2"].pad_token == "!"
    assert TOKENIZERS["tokenizer_2"].pad_token_id == 0


@both_tokenizers
def test_a_word_of_the_grammar_is_one_token(tokenizer: CLIPTokenizer) -> None:
    assert len(tokenizer.tokenize("make the turquoise triangle red")) == 5


@both_encoders
def test_stock_encoders_give_finite_penultimate_states(encoder: str) -> None:
    states, pooled = encode(encoder, ["a red ball"])
    width = {"text_encoder": 64, "text_encoder_2": 96}[encoder]
    assert states.shape == (1, 77, width)
    assert pooled.shape == (1, width)
    assert states.isfinite().all()
    assert pooled.isfinite().all()
    assert 0.5 < states.std() < 2


@both_encoders
def test_unlike_prompts_have_unlike_embeddings(encoder: str) -> None:
    states, pooled = encode(encoder, list(UNLIKE))
    assert similarities(states).max() < 0.9
    assert similarities(pooled).max() < 0.9


@both_encoders
@pytest.mark.parametrize("pair", ONE_WORD_APART)
def test_a_single_word_changes_the_embeddings(encoder: str, pair: tuple[str, str]) -> None:
    states, pooled = encode(encoder, list(pair))
    assert similarities(states).max() < 0.985
    assert similarities(pooled).max() < 0.985


@both_encoders
def test_the_pooled_output_is_taken_at_the_end_of_the_text(encoder: str) -> None:
    """The causal mask hides what follows, so padding must not matter."""
    tokenizer = TOKENIZERS[encoder.replace("text_encoder", "tokenizer")]
    kind = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}[encoder]
    model = kind.from_pretrained(path(), subfolder=encoder, dtype=torch.float32)
    short = tokenizer("a red ball", return_tensors="pt").input_ids
    with torch.no_grad():
        output = model(short)
    unpadded = output.text_embeds if encoder == "text_encoder_2" else output.pooler_output
    torch.testing.assert_close(unpadded, encode(encoder, ["a red ball"])[1], rtol=1e-3, atol=1e-4)


def test_every_named_component_loads_from_its_folder() -> None:
    index: dict[str, Any] = json.loads((path() / "model_index.json").read_text())
    assert index["unet"] == ["diffusers", "UNet2DConditionModel"]
    assert index["vae"] == ["diffusers", "AutoencoderKL"]
    components = {n: v for n, v in index.items() if isinstance(v, list) and v[0] and n != "vae"}
    assert len(components) == 6
    for name, (library, kind) in components.items():
        stock = getattr(importlib.import_module(library), kind)
        assert isinstance(stock.from_pretrained(path(), subfolder=name), stock)


def test_the_pipeline_encodes_prompts() -> None:
    parts = StableDiffusionXLPipeline.from_pretrained(path(), unet=None, vae=None)
    states, empty, pooled, empty_pooled = parts.encode_prompt("a red ball")
    assert parts.config.force_zeros_for_empty_prompt
    assert states.shape == empty.shape == (1, 77, 64 + 96)
    assert pooled.shape == empty_pooled.shape == (1, 96)
    assert not empty.any()


def test_the_scheduler_has_sdxl_settings_for_any_class() -> None:
    scheduler = DDPMScheduler.from_pretrained(path(), subfolder="scheduler")
    assert scheduler.config.prediction_type == SCHEDULER["prediction_type"] == "epsilon"
    assert scheduler.config.beta_schedule == "scaled_linear"
    assert not scheduler.config.clip_sample


def test_making_the_files_again_gives_the_same_bytes(tmp_path: Path) -> None:
    make_text(tmp_path)
    made = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    assert len(made) == 14
    untrained = [file for file in made if file.suffix != ".safetensors"]
    for file in untrained:
        assert (tmp_path / file).read_bytes() == (path() / file).read_bytes(), file
    assert len(untrained) == 12


def test_the_encoders_start_from_the_same_weights_each_time(tmp_path: Path) -> None:
    for folder in ("first", "again"):
        make_text(tmp_path / folder)
    for file in (tmp_path / "first").rglob("*.safetensors"):
        other = tmp_path / "again" / file.relative_to(tmp_path / "first")
        assert file.read_bytes() == other.read_bytes()


def test_the_text_half_stays_small() -> None:
    trained = {"vae", "unet"}
    files = [file for file in path().rglob("*") if file.is_file() and not trained & {*file.parts}]
    assert sum(file.stat().st_size for file in files) < 2_000_000


def test_a_template_stands_for_all_its_captions() -> None:
    texts = list(fill_in("a {size} {person}"))
    assert len(texts) == len(set(texts)) == 4 * 5
    assert texts[0] == "a small man"


def test_the_corpus_has_instructions_and_captions() -> None:
    texts = set(corpus())
    assert "make the ball red" in texts
    assert "colorize the photograph: galaxies in a black sky" in texts
