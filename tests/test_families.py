"""What one family of models has and others lack is named in backbones/ alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.house import ROOT, rooms

#: The rooms that know families: what a model is, and the one that comes with onepic.
KNOWING = {"backbones", "miniature"}
FAMILIES = sorted(path.parent.name for path in (ROOT / "backbones").glob("*/__init__.py"))
#: What only a family's own code may say, in code as in prose: its name, and those of its parts and
#: its inputs. A Hub id, as commands give in their examples, names a model and no family.
WORDS = re.compile(
    r"sdxl|(?<!/)stable.?diffusion|\bflux|\bsgm\b"
    r"|u-?net|(down|mid|up)_block|\battn\d"
    r"|time_?ids|time_embed|text_embeds|added_cond|projection_class|cross_attention_dim"
    r"|text_encoder|tokenizer_\d|penultimate|pooled|\bclip(text|_skip)|(?-i:\bCLIP)"
    r"|alphas_cumprod|autoencoder_?kl" + "".join(rf"|\b{name}\b" for name in FAMILIES),
    re.IGNORECASE,
)
TEXTS = {".py", ".html", ".js", ".css", ".json", ".yaml"}


def told(path: Path) -> str:
    """What a file says; of a recipe, not its comments, which speak to who chooses a model."""
    text = path.read_text(encoding="utf-8")
    return yaml.safe_dump(yaml.safe_load(text)) if path.suffix == ".yaml" else text


@pytest.mark.parametrize("room", sorted(set(rooms()) - KNOWING))
def test_no_familys_word_stands_outside_of_backbones(room: str):
    files = (path for path in sorted((ROOT / room).rglob("*")) if path.suffix in TEXTS)
    found = {
        str(path.relative_to(ROOT)): sorted({match[0] for match in WORDS.finditer(told(path))})
        for path in files
    }
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    "text",
    [
        "made for SDXL",
        "self.unet(x_t, t)",
        "what the U-Net takes",
        "UNet2DConditionModel",
        '"time_ids": sizes',
        "text_encoder_2",
        "pooled",
        "scheduler.alphas_cumprod",
        "CLIPTextModel",
        "StableDiffusionXLPipeline",
        "down_blocks.1",
        "attn1.to_q",
    ],
)
def test_a_familys_word_is_known_however_it_is_written(text: str):
    assert WORDS.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "pixels.clip(0, 1)",
        "hidden pixels",
        "community",
        "stabilityai/stable-diffusion-xl-base-1.0",
        "influx",
        "a text, encoded",
    ],
)
def test_words_of_all_families_are_none(text: str):
    assert not WORDS.search(text)
