"""A dataset is read by stock libraries, and holds the photographs that went in."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import webdataset
from datasets import load_dataset
from diffusers import AutoencoderKL
from PIL import Image

from onepic import miniature
from onepic.backbones.model import open_model
from onepic.canvas.layout import Box
from onepic.canvas.panels import PreparedRow, prepare_rows
from onepic.compiler import Recipe, Scheduling, compile_dataset, open_dataset
from onepic.compiler.compile import make_layout
from onepic.miniature.train_vae import psnr

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """Crops of the photographs that the VAE never saw, compiled at 192 px; the dataset's folder."""
    recipe = Recipe.model_validate(
        {
            "task": "colorization",
            "source": {"kind": "photos", "split": "held-out", "crops": 6},
            "panels": {
                "grey": {"from": "image", "apply": ["grayscale"]},
                "colour": {"from": "image"},
            },
            "layout": [["grey", "colour"]],
            "target": "colour",
            "prompt": "{caption}",
            "panel_size": {"width": 192, "height": 192},
        }
    )
    output = tmp_path_factory.mktemp("photographs") / "data"
    compile_dataset(recipe, output, scheduling=Scheduling(local=True))
    return recipe, output


def shards(project: Project) -> list[str]:
    return sorted(map(str, project.output.glob("shards/*.tar")))


def test_stock_webdataset_reads_the_shards(finished_project: Project) -> None:
    urls = shards(finished_project)
    stock = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert len(stock) == 5
    for sample, ours in zip(stock, open_dataset(finished_project.output), strict=True):
        assert sample["__key__"] == ours.key
        assert sample["txt"] == ours.prompt
        assert sample["json"] == ours.metadata
        assert sample["webp"].size == (128, 64)
        np.testing.assert_array_equal(sample["latents.npy"], ours.latents)
        np.testing.assert_array_equal(sample["mask.npy"], ours.mask)
        assert sample["latents.npy"].dtype == np.float16
        assert sample["mask.npy"].dtype == np.uint8


@pytest.mark.parametrize("streaming", [False, True])
def test_stock_datasets_reads_the_shards(
    finished_project: Project, tmp_path: Path, streaming: bool
) -> None:
    stock: Any = load_dataset(
        "webdataset",
        data_files={"train": shards(finished_project)},
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    samples = list(stock)
    assert len(samples) == 5
    for sample, ours in zip(samples, open_dataset(finished_project.output), strict=True):
        assert sample["__key__"] == ours.key
        assert sample["txt"] == ours.prompt
        assert sample["json"]["target_boxes"] == ours.metadata["target_boxes"]
        assert sample["webp"].size == (128, 64)
        np.testing.assert_array_equal(np.asarray(sample["latents.npy"], np.float16), ours.latents)
        np.testing.assert_array_equal(np.asarray(sample["mask.npy"]), ours.mask)


@torch.inference_mode()
def test_decoding_the_target_gives_back_the_photograph(photographs: tuple[Recipe, Path]) -> None:
    """At the quality of the VAE on the panel itself, and of a usable one on these photographs."""
    recipe, output = photographs
    vae = AutoencoderKL.from_pretrained(miniature.path() / "vae").float().eval()
    layout = make_layout(recipe, open_model("miniature"))
    rows = list(recipe.source.read(recipe.source.scan(recipe.columns, output), recipe.columns))
    gained = []
    for sample, row in zip(open_dataset(output), prepare_rows(recipe, layout, rows), strict=True):
        assert isinstance(row, PreparedRow)
        photograph = torch.from_numpy(row.panels["colour"] / np.float32(127.5) - 1)
        photograph = photograph.permute(2, 0, 1)[None]
        (box,) = (Box(*box).divided(layout.factor) for box in sample.metadata["target_boxes"])
        latents = torch.from_numpy(sample.latents[(slice(None), *box.slices)].astype(np.float32))
        decoded = vae.decode(latents[None] / vae.config.scaling_factor).sample.clamp(-1, 1)
        direct = vae.decode(vae.encode(photograph).latent_dist.mean).sample.clamp(-1, 1)
        assert psnr(decoded, photograph) == pytest.approx(psnr(direct, photograph), abs=0.05)
        gained.append(psnr(decoded, photograph))
    assert np.mean(gained) > 23.5


def test_previews_show_the_canvas(photographs: tuple[Recipe, Path]) -> None:
    recipe, output = photographs
    layout = make_layout(recipe, open_model("miniature"))
    rows = list(recipe.source.read(recipe.source.scan(recipe.columns, output), recipe.columns))
    for sample, row in zip(open_dataset(output), prepare_rows(recipe, layout, rows), strict=True):
        assert isinstance(row, PreparedRow)
        preview = np.asarray(Image.open(io.BytesIO(sample.preview)).convert("RGB"), np.float32)
        canvas = np.concatenate([row.panels["grey"], row.panels["colour"]], axis=1)
        assert preview.shape == canvas.shape
        assert np.abs(preview - canvas).mean() < 8


def test_the_context_does_not_know_the_target(finished_project: Project, tmp_path: Path) -> None:
    """The same grey images with other colour images beside them have the very same latents."""
    latents = []
    for number in range(2):
        folder = tmp_path / str(number)
        for name, first in (("grey", 0), ("colour", 100 * (1 + number))):
            (folder / "pairs" / name).mkdir(parents=True)
            for seed in range(4):
                drawing = type(finished_project)(folder)
                drawing.draw(first + seed)
                source = folder / "pictures" / f"{first + seed:03d}.png"
                source.rename(folder / "pairs" / name / f"{seed}.png")
        recipe = finished_project.recipe(
            source={"kind": "folder", "path": str(folder / "pairs")},
            panels={"grey": {"from": "grey"}, "colour": {"from": "colour"}},
        )
        compile_dataset(recipe, folder / "data", scheduling=Scheduling(local=True))
        latents.append([sample.latents for sample in open_dataset(folder / "data")])
    for first, second in zip(*latents, strict=True):
        np.testing.assert_array_equal(first[:, :, :8], second[:, :, :8])
        assert not np.array_equal(first[:, :, 8:], second[:, :, 8:])
