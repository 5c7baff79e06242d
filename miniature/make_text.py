"""Make what the training of the miniature starts from: tokenizers, text encoders, scheduler, index.

    python -m onepic.miniature.make_text --output build/text

The tokenizers are trained on `captions.corpus`; the encoders are seeded random projections of
the text, which `train_pipeline` then trains. The same files come out, byte for byte, each time.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from .captions import corpus

VOCABULARY_SIZE = 2048
MAX_LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
#: SDXL's second tokenizer pads with the token of id 0
FIRST_TOKEN = "!"  # noqa: S105

#: the first encoder is like CLIP ViT-L's, the second like OpenCLIP bigG's, both much narrower
ENCODERS: dict[str, dict[str, Any]] = {
    "text_encoder": {"hidden_size": 64, "num_attention_heads": 2, "hidden_act": "quick_gelu"},
    "text_encoder_2": {"hidden_size": 96, "num_attention_heads": 3, "hidden_act": "gelu"},
}
#: of the first 16 seeds, those under which captions that differ in one word are least alike
SEEDS = {"text_encoder": 13, "text_encoder_2": 3}
#: standard deviations of the random weights, wider than CLIP's so that prompts differ clearly, and
#: so chosen that the penultimate states have one of about 1; matrices have it times 1/sqrt(inputs)
DEVIATIONS = {
    "token_embedding": 0.4,
    "position_embedding": 0.08,
    "q_proj": 1.5,
    "k_proj": 1.5,
    "v_proj": 1.5,
    "out_proj": 0.6,
    "fc1": 0.75,
    "fc2": 0.3,
    "text_projection": 1.0,
}
BIAS_DEVIATION = 0.05

#: stabilityai/stable-diffusion-xl-base-1.0's scheduler
SCHEDULER: dict[str, Any] = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.36.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}

#: diffusers' table of contents; the U-Net and the VAE are trained
MODEL_INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionXLPipeline",
    "_diffusers_version": "0.36.0",
    "feature_extractor": [None, None],
    "force_zeros_for_empty_prompt": True,
    "image_encoder": [None, None],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def write_json(file: Path, content: Any) -> None:
    """Write JSON in the manner of diffusers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8", newline="\n")


def byte_tokens() -> list[str]:
    """CLIP's first 512 tokens: each byte as a character, within a word and at its end."""
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return [*characters, *(character + WORD_END for character in characters)]


def train_bpe() -> tuple[list[str], list[str]]:
    """The vocabulary in the order of its ids, and the merges as lines, of a byte-level BPE.

    The bytes are given as special tokens because the trainer numbers these in order, and others
    in the order of a hash map: that would decide ties between merges differently each time.
    """
    stock = CLIPTokenizer().backend_tokenizer
    tokenizer = Tokenizer(BPE(end_of_word_suffix=WORD_END))
    tokenizer.normalizer, tokenizer.pre_tokenizer = stock.normalizer, stock.pre_tokenizer
    trainer = BpeTrainer(
        vocab_size=VOCABULARY_SIZE - len((START, END)),
        special_tokens=byte_tokens(),
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = sorted(model["vocab"], key=model["vocab"].get)
    return [*vocabulary, START, END], [" ".join(pair) for pair in model["merges"]]


def write_tokenizer(folder: Path, vocabulary: list[str], merges: list[str], padding: str) -> None:
    """Write CLIPTokenizer's four files."""
    special = {"bos_token": START, "eos_token": END, "pad_token": padding, "unk_token": END}
    settings = {"do_lower_case": True, "errors": "replace", "model_max_length": MAX_LENGTH}
    settings |= {"add_prefix_space": False, "tokenizer_class": "CLIPTokenizer"}
    write_json(folder / "vocab.json", {token: number for number, token in enumerate(vocabulary)})
    write_json(folder / "special_tokens_map.json", special)
    write_json(folder / "tokenizer_config.json", settings | special)
    lines = "".join(f"{line}\n" for line in ["#version: 0.2", *merges])
    (folder / "merges.txt").write_text(lines, encoding="utf-8", newline="\n")


def encoder_config(name: str, vocabulary: list[str]) -> dict[str, Any]:
    """The config.json of a text encoder; its end id is where the pooled output is taken."""
    shape = ENCODERS[name]
    padding = FIRST_TOKEN if name == "text_encoder_2" else END
    return {
        "architectures": [MODEL_INDEX[name][1]],
        "attention_dropout": 0.0,
        "bos_token_id": vocabulary.index(START),
        "dtype": "float16",
        "eos_token_id": vocabulary.index(END),
        "initializer_factor": 1.0,
        "initializer_range": 0.02,
        "intermediate_size": 4 * shape["hidden_size"],
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": MAX_LENGTH,
        "model_type": "clip_text_model",
        "num_hidden_layers": 3,
        "pad_token_id": vocabulary.index(padding),
        "projection_dim": shape["hidden_size"],
        "vocab_size": len(vocabulary),
    } | shape


def random_weight(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A parameter drawn by what it is; layer norms neither scale nor shift."""
    layer, kind = name.split(".")[-2:]
    if "layer_norm" in layer:
        return np.full(shape, float(kind == "weight"))
    if kind == "bias":
        return rng.normal(0, BIAS_DEVIATION, shape)
    fan_in = 1 if "embedding" in layer else shape[1]
    return rng.normal(0, DEVIATIONS[layer] * fan_in**-0.5, shape)


def write_encoder(folder: Path, config: dict[str, Any], seed: int) -> None:
    """Write config.json and model.safetensors in float16, with the names of SDXL's files.

    The names and shapes are those of the model with projection; CLIPTextModel has none.
    """
    write_json(folder / "config.json", config)
    model = CLIPTextModelWithProjection(CLIPTextConfig(**config))
    shapes = {name: tuple(weight.shape) for name, weight in sorted(model.named_parameters())}
    if config["architectures"] == ["CLIPTextModel"]:
        del shapes["text_projection.weight"]
    rng = np.random.default_rng(seed)
    weights = {name: random_weight(name, shape, rng) for name, shape in shapes.items()}
    weights = {name: weight.astype(np.float16) for name, weight in weights.items()}
    (folder / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))


def make_text(output: Path) -> None:
    """Write everything of the miniature but the VAE into `output`."""
    vocabulary, merges = train_bpe()
    write_tokenizer(output / "tokenizer", vocabulary, merges, padding=END)
    write_tokenizer(output / "tokenizer_2", vocabulary, merges, padding=FIRST_TOKEN)
    for name, seed in SEEDS.items():
        write_encoder(output / name, encoder_config(name, vocabulary), seed)
    write_json(output / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(output / "model_index.json", MODEL_INDEX)


def main() -> None:
    """Read the command line and make the files."""
    parser = argparse.ArgumentParser(description="Make the miniature's tokenizers and encoders.")
    parser.add_argument("--output", type=Path, default=Path("build/text"))
    make_text(parser.parse_args().output)


if __name__ == "__main__":
    main()
