"""Train the bundled U-Net and text encoders: SDXL in small, so that every command runs anywhere.

    python -m onepic.miniature.pictures --output build/pictures
    python -m onepic.miniature.train_pipeline --pictures build/pictures --output build/pipeline

They learn to draw scenes, and crops of the photographs that are not held out, from their captions.
As in what SDXL learned from, some pictures are sheets of several: one subject in several places, a
scene before and after rain or dusk, two pictures that have nothing in common. Stopped at any time,
the same command goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from ..trainer.objective import masked_loss
from . import path
from .sheets import Pictures, Sheets, draw_sheets, read_pictures
from .train_vae import MatrixOptimizer, learning_rate, update_average

PROMPT_DROPOUT = 0.1
#: the greatest weight of a sheet with given pictures. They tell most where the noise is strong, and
#: there the error of the predicted noise is small: so it is weighted to be that of the picture.
STRONGEST = 10.0
EVERY = 250  # steps between two lines of the curve, and two checkpoints


def new_unet() -> UNet2DConditionModel:
    """SDXL's U-Net with 64 to 192 channels instead of 320 to 1280, and one layer to a block."""
    return UNet2DConditionModel(
        sample_size=32,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(2, 4, 6),
        norm_num_groups=16,
        cross_attention_dim=160,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96 + 6 * 32,
    )


class Networks(nn.Module):
    """What is trained: the U-Net and both text encoders."""

    def __init__(self, text: Path) -> None:
        super().__init__()
        self.unet = new_unet()
        load: Any = {"dtype": torch.float32}
        self.text_encoder = CLIPTextModel.from_pretrained(text / "text_encoder", **load)
        self.text_encoder_2 = CLIPTextModelWithProjection.from_pretrained(
            text / "text_encoder_2", **load
        )

    def forward(self, noisy: Tensor, timesteps: Tensor, sheets: Sheets) -> Tensor:
        """The predicted noise, float32, of the shape of `noisy` [B, 4, h, w]."""
        hidden, pooled = self.embed(sheets.tokens)
        keep = (~sheets.is_dropped).to(hidden.dtype)
        added = {"text_embeds": pooled * keep[:, None], "time_ids": sheets.time_ids}
        hidden = hidden * keep[:, None, None]
        output: Tensor = self.unet(noisy, timesteps, hidden, added_cond_kwargs=added).sample
        return output.float()

    def embed(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """SDXL's hidden states [B, 77, 160] and pooled output [B, 96] of tokens [2, B, 77]."""
        first = self.text_encoder(tokens[0], output_hidden_states=True)
        second = self.text_encoder_2(tokens[1], output_hidden_states=True)
        hidden = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return hidden, second.text_embeds


class Optimizers:
    """Muon and AdamW for the U-Net, AdamW for the text encoders at a fraction of the rate."""

    TEXT_RATE = 0.3

    def __init__(self, networks: Networks) -> None:
        text = [*networks.text_encoder.parameters(), *networks.text_encoder_2.parameters()]
        self.unet = MatrixOptimizer(networks.unet)
        self.text = torch.optim.AdamW(text, weight_decay=0, betas=(0.9, 0.99))
        self.parts = (*self.unet.parts, self.text)

    def step(self, rate: float) -> None:
        """Update from the gradients, and clear them."""
        self.unet.step(rate)
        for group in self.text.param_groups:
            group["lr"] = rate * self.TEXT_RATE
        self.text.step()
        self.text.zero_grad(set_to_none=True)


@dataclass
class Training:
    """What a checkpoint holds: the weights, their average, the optimizers and how far they came."""

    networks: Networks
    average: Networks
    optimizers: Optimizers
    step: int = 0
    seconds: float = 0.0

    def save(self, file: Path) -> None:
        """Write the state, whole or not at all."""
        state = {
            "networks": self.networks.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [part.state_dict() for part in self.optimizers.parts],
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def load(self, file: Path) -> None:
        """Go on from a saved state."""
        state = torch.load(file, weights_only=True)
        self.networks.load_state_dict(state["networks"])
        self.average.load_state_dict(state["average"])
        for part, saved in zip(self.optimizers.parts, state["optimizers"], strict=True):
            part.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    def update(self, loss: Tensor, rate: float) -> None:
        """One step of the optimizers, and of the average after it."""
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimizers.step(rate)
        self.step += 1
        update_average(self.average, self.networks, self.step)


def start_training(text: Path) -> Training:
    """The untrained networks, their average and their optimizers."""
    torch.manual_seed(0)
    networks = Networks(text)
    average = deepcopy(networks).requires_grad_(False)
    return Training(networks, average, Optimizers(networks))


@cache
def noise_schedule() -> DDPMScheduler:
    """That of the bundled pipeline."""
    return DDPMScheduler.from_pretrained(path() / "scheduler")


def draw_loss(networks: Networks, sheets: Sheets, seed: int) -> Tensor:
    """The squared error of the predicted noise, where there is noise; see `STRONGEST`."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(sheets.latents.shape, generator=random)
    scheduler = noise_schedule()
    steps = scheduler.config.num_train_timesteps
    timesteps = torch.randint(steps, (len(noise),), generator=random)
    noisy = scheduler.add_noise(sheets.latents, noise, timesteps)
    seen = torch.where(sheets.mask.bool(), noisy, sheets.latents)
    with torch.autocast("cpu", torch.bfloat16):
        output = networks(seen, timesteps, sheets)
    losses = masked_loss(output, noise, sheets.mask)
    abar = scheduler.alphas_cumprod[timesteps]
    noise_to_signal = ((1 - abar) / abar).clamp(max=STRONGEST)
    is_completion = sheets.mask.amin(dim=(1, 2, 3)) == 0
    return torch.where(is_completion, losses * noise_to_signal, losses).mean()


@torch.no_grad()
def held_out_loss(networks: Networks, pictures: Pictures) -> float:
    """The loss on the same sheets of rows that are not trained on, with the same noise."""
    losses = [
        draw_loss(networks, draw_sheets(pictures, 24, seed, PROMPT_DROPOUT), seed).item()
        for seed in range(16)
    ]
    return float(np.mean(losses))


def train(output: Path, pictures: Path, text: Path, steps: int, panels: int) -> None:
    """Train for so many steps; checkpoints and the curve lie in `output`."""
    training = start_training(text)
    checkpoint = output / "checkpoint.pt"
    output.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        training.load(checkpoint)
    tokenizers = [CLIPTokenizer.from_pretrained(text / name) for name in TOKENIZERS]
    known, held_out = read_pictures(pictures, tokenizers)
    losses: list[float] = []
    began = time.monotonic() - training.seconds
    while training.step < steps:
        sheets = draw_sheets(known, panels, 1000 + training.step, PROMPT_DROPOUT)
        loss = draw_loss(training.networks, sheets, training.step)
        training.update(loss, learning_rate(training.step / steps))
        losses.append(loss.item())
        if training.step % EVERY == 0 or training.step == steps:
            training.seconds = time.monotonic() - began
            training.save(checkpoint)
            line = {
                "step": training.step,
                "loss": round(float(np.mean(losses[-EVERY:])), 4),
                "held_out": round(held_out_loss(training.average, held_out), 4),
                "minutes": round(training.seconds / 60, 1),
            }
            with (output / "curve.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
            export(training.average, output)


TOKENIZERS = ("tokenizer", "tokenizer_2")


def export(networks: Networks, output: Path) -> None:
    """Write the diffusers folders of the three networks, in float16."""
    half = deepcopy(networks).half()
    for name in ("unet", "text_encoder", "text_encoder_2"):
        getattr(half, name).save_pretrained(output / name)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the miniature's U-Net and text encoders.")
    parser.add_argument("--output", type=Path, default=Path("build/pipeline"))
    parser.add_argument("--pictures", type=Path, default=Path("build/pictures"))
    parser.add_argument("--text", type=Path, default=Path("build/text"), help="see make_text")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--panels", type=int, default=32, help="panels in a batch")
    options = parser.parse_args()
    train(options.output, options.pictures, options.text, options.steps, options.panels)


if __name__ == "__main__":
    main()
