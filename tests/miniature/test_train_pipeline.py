"""The training of the miniature's U-Net and text encoders: it learns, and it can be stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import CLIPTokenizer

from onepic.miniature import path
from onepic.miniature.make_text import make_text
from onepic.miniature.sheets import Pictures, Sheets, draw_sheets
from onepic.miniature.train_pipeline import (
    TOKENIZERS,
    Networks,
    Training,
    draw_loss,
    export,
    start_training,
)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    make_text(folder)
    return folder


@pytest.fixture(scope="module")
def sheets(text: Path) -> Sheets:
    tokenizers = [CLIPTokenizer.from_pretrained(text / name) for name in TOKENIZERS]
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0)).half()
    pictures = Pictures(latents, ["a red ball", "a blue cube"], 0, [], tokenizers)
    single = next(seed for seed in range(99) if _is_single(pictures, seed))
    return draw_sheets(pictures, 2, single, dropout=0.0)


def _is_single(pictures: Pictures, seed: int) -> bool:
    try:
        return draw_sheets(pictures, 2, seed, 0.0).latents.shape[-2:] == (16, 16)
    except ValueError:  # there are no rows to make larger sheets of
        return False


def step(training: Training, sheets: Sheets) -> float:
    loss = draw_loss(training.networks, sheets, training.step)
    training.update(loss, 1e-3)
    return loss.item()


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(
    text: Path, sheets: Sheets, tmp_path: Path
) -> None:
    training = start_training(text)
    losses = [step(training, sheets) for _ in range(2)]
    training.save(tmp_path / "checkpoint.pt")
    onwards = step(training, sheets)
    again = start_training(text)
    again.load(tmp_path / "checkpoint.pt")
    assert again.step == 2
    assert step(again, sheets) == onwards
    assert len({*losses, onwards}) == 3


def test_text_encoders_and_u_net_all_learn(text: Path, sheets: Sheets) -> None:
    training = start_training(text)
    draw_loss(training.networks, sheets, 0).backward()
    for part in ("unet", "text_encoder", "text_encoder_2"):
        network = getattr(training.networks, part)
        moved = [p.grad.abs().sum() > 0 for p in network.parameters() if p.grad is not None]
        assert any(moved), part


def test_a_dropped_prompt_has_no_say(text: Path, sheets: Sheets) -> None:
    networks = Networks(text).eval()
    timesteps = torch.tensor([500] * len(sheets.latents))
    outputs = []
    for tokens in (sheets.tokens, sheets.tokens.flip(1)):
        dropped = torch.ones(len(sheets.latents), dtype=torch.bool)
        changed = replace(sheets, tokens=tokens, is_dropped=dropped)
        with torch.no_grad():
            outputs.append(networks(sheets.latents, timesteps, changed))
    assert torch.equal(*outputs)


def test_what_is_exported_has_the_names_of_what_is_shipped(text: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    export(Networks(text), tmp_path)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        (made,), (shipped,) = (
            list((folder / part).glob("*.safetensors")) for folder in (tmp_path, path())
        )
        assert made.name == shipped.name
        with safe_open(made, "pt") as ours, safe_open(shipped, "pt") as theirs:
            assert set(ours.keys()) == set(theirs.keys())


def test_pictures_of_a_sheet_that_are_given_take_no_part_in_the_loss(
    text: Path, sheets: Sheets
) -> None:
    networks = Networks(text).eval()
    half = torch.ones_like(sheets.mask)
    half[..., 8:] = 0
    with torch.no_grad():
        given, whole = (
            draw_loss(networks, replace(sheets, mask=mask), 0).item()
            for mask in (half, torch.ones_like(half))
        )
        other = draw_loss(networks, replace(sheets, mask=1 - half), 0).item()
    assert len({given, whole, other}) == 3
