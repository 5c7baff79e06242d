"""Prompts as SDXL's U-Net takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..texts import Embeddings

_PAIRS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))


@torch.inference_mode()
def embed(
    encoders: Mapping[str, Any], prompts: Sequence[str], device: torch.device | None = None
) -> Embeddings:
    """Encode N prompts as one batch, with both pairs of tokenizer and text encoder.

    `hidden`, float16 [N, 77, 2048], are both encoders' penultimate hidden states side by side,
    and `pooled`, float16 [N, 1280], is the second's pooled output. `device` is where the encoders
    compute, if not where they are.
    """
    states, cut = [], [False] * len(prompts)
    for tokenizer, encoder in ((encoders[one], encoders[other]) for one, other in _PAIRS):
        limit = tokenizer.model_max_length
        lengths = [len(ids) for ids in tokenizer(list(prompts), verbose=False).input_ids]
        cut = [before or length > limit for before, length in zip(cut, lengths, strict=True)]
        tokens = tokenizer(
            list(prompts),
            padding="max_length",
            max_length=limit,
            truncation=True,
            return_tensors="pt",
        )
        output = encoder(tokens.input_ids.to(device or encoder.device), output_hidden_states=True)
        states.append(output.hidden_states[-2])
    hidden = torch.cat(states, dim=-1).half().cpu().numpy()
    return Embeddings({"hidden": hidden, "pooled": output.text_embeds.half().cpu().numpy()}, cut)
