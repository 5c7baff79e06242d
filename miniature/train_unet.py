"""Train the bundled U-Net: SDXL's architecture in small, so that every command runs anywhere.

    python -m onepic.miniature.train_unet --output build/unet --steps 3000

It learns to draw crops of the photographs that are not held out, as latents of the bundled VAE,
from their captions. Stopped at any time, the same command goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from torch.nn.functional import mse_loss

from ..compiler.encoder import Encoder
from ..compiler.model import open_model
from ..compiler.sources.photographs import PHOTOGRAPHS
from . import path
from .augment import random_colours, random_crop
from .train_vae import learning_rate, read_photograph, update_average

SIDE = 256
PROMPT_DROPOUT = 0.1


def new_unet() -> UNet2DConditionModel:
    """SDXL's U-Net with 32 to 128 channels instead of 320 to 1280, and one layer to a block."""
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(32, 64, 128),
        layers_per_block=1,
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(1, 2, 4),
        norm_num_groups=16,
        cross_attention_dim=160,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96 + 6 * 32,
    )


@dataclass(frozen=True)
class Pictures:
    """Latents of crops, float16 [N, 4, 32, 32], and which of the captions each has."""

    latents: Tensor
    captions: Tensor  # int64 [N]
    hidden: Tensor  # float16 [captions + 1, 77, 160]; the last is the empty prompt
    pooled: Tensor  # float16 [captions + 1, 96]

    def batch(self, numbers: Tensor, is_dropped: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, hidden states and pooled embeddings, some with the empty prompt."""
        captions = torch.where(is_dropped, len(self.hidden) - 1, self.captions[numbers])
        return (
            self.latents[numbers].float(),
            self.hidden[captions].float(),
            self.pooled[captions].float(),
        )


def draw_pictures(count: int) -> Pictures:
    """Crops of the photographs and their captions, encoded."""
    encoder = Encoder(open_model("miniature"))
    rng = np.random.default_rng(0)
    known = [photograph for photograph in PHOTOGRAPHS if not photograph.held_out]
    images = [read_photograph(photograph) for photograph in known]
    captions = rng.integers(len(known), size=count)
    latents = []
    for start in range(0, count, 16):
        pixels = [draw_picture(images[n], rng) for n in captions[start : start + 16]]
        latents.extend(encoder.encode_panels(np.stack(pixels), [0] * len(pixels)))
    text, empty = (
        encoder.encode_prompts([photograph.caption for photograph in known]),
        encoder.encode_empty_prompt(),
    )
    return Pictures(
        torch.from_numpy(np.stack([latent for latent in latents if latent is not None])),
        torch.from_numpy(captions),
        torch.from_numpy(np.concatenate([text.hidden, empty.hidden])),
        torch.from_numpy(np.concatenate([text.pooled, empty.pooled])),
    )


def draw_picture(image: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """A crop, one in four in other colours: uint8 [256, 256, 3]."""
    pixels = np.asarray(random_crop(image, rng, SIDE), dtype=np.float32) / 255
    pixels = random_colours(pixels, rng) if rng.random() < 0.25 else pixels
    return (pixels * 255).round().astype(np.uint8)


@dataclass
class Training:
    """What a checkpoint holds: the weights, their average, the optimizer and how far they came."""

    unet: UNet2DConditionModel
    average: UNet2DConditionModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0

    def save(self, file: Path) -> None:
        """Write the state, whole or not at all."""
        state = {
            "unet": self.unet.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def load(self, file: Path) -> None:
        """Go on from a saved state."""
        state = torch.load(file, weights_only=True)
        self.unet.load_state_dict(state["unet"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def update(self, loss: Tensor, rate: float) -> None:
        """One step of the optimizer, and of the average after it."""
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        update_average(self.average, self.unet, self.step)


def start_training() -> Training:
    """The untrained U-Net, its average and its optimizer."""
    torch.manual_seed(0)
    unet = new_unet()
    average = deepcopy(unet).requires_grad_(False)
    return Training(unet, average, torch.optim.AdamW(unet.parameters(), weight_decay=0.01))


@cache
def noise_schedule() -> DDPMScheduler:
    """That of the bundled pipeline."""
    return DDPMScheduler.from_pretrained(path() / "scheduler")


def draw_loss(unet: UNet2DConditionModel, pictures: Pictures, count: int, seed: int) -> Tensor:
    """The usual objective on `count` random pictures: the squared error of the predicted noise."""
    random = torch.Generator().manual_seed(seed)
    numbers = torch.randint(len(pictures.latents), (count,), generator=random)
    is_dropped = torch.rand(count, generator=random) < PROMPT_DROPOUT
    latents, hidden, pooled = pictures.batch(numbers, is_dropped)
    noise = torch.randn(latents.shape, generator=random)
    scheduler = noise_schedule()
    timesteps = torch.randint(scheduler.config.num_train_timesteps, (count,), generator=random)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    time_ids = torch.tensor([SIDE, SIDE, 0, 0, SIDE, SIDE]).expand(count, -1)
    added = {"text_embeds": pooled, "time_ids": time_ids}
    with torch.autocast("cpu", torch.bfloat16):
        output = unet(noisy, timesteps, hidden, added_cond_kwargs=added).sample
    return mse_loss(output.float(), noise)


def train(output: Path, steps: int, batch_size: int, count: int) -> None:
    """Train for so many steps; checkpoints and the curve lie in `output`."""
    training = start_training()
    checkpoint = output / "checkpoint.pt"
    output.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        training.load(checkpoint)
    pictures = draw_pictures(count)
    losses: list[float] = []
    began = time.monotonic() - training.seconds
    while training.step < steps:
        loss = draw_loss(training.unet, pictures, batch_size, training.step)
        training.update(loss, learning_rate(training.step / steps))
        losses.append(loss.item())
        if training.step % 100 == 0:
            training.seconds = time.monotonic() - began
            training.save(checkpoint)
            mean, minutes = float(np.mean(losses[-100:])), training.seconds / 60
            line = {"step": training.step, "loss": round(mean, 4), "minutes": round(minutes, 1)}
            with (output / "curve.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
    training.average.half().save_pretrained(output / "unet")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the U-Net of the miniature.")
    parser.add_argument("--output", type=Path, default=Path("build/unet"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--pictures", type=int, default=4096, help="crops to learn from")
    options = parser.parse_args()
    train(options.output, options.steps, options.batch_size, options.pictures)


if __name__ == "__main__":
    main()
