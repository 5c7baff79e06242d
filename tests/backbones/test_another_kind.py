"""A model of another kind plugs in as a value: no other file of onepic knows of it.

This one predicts velocities by a few convolutions, and takes prompts of any length.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from diffusers import ConfigMixin, FlowMatchEulerDiscreteScheduler, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.loaders import PeftAdapterMixin
from safetensors.torch import load_file
from torch import Tensor, nn

from onepic import miniature
from onepic.backbones import BACKBONES, Backbone, Component, register
from onepic.backbones.flow import Flow
from onepic.backbones.sampling import FLOW
from onepic.backbones.texts import Embeddings
from onepic.common.errors import DatasetError, SettingsError
from onepic.compiler import Scheduling, compile_dataset, open_dataset
from onepic.sampler import OnePicPipeline
from onepic.trainer import Settings, open_canvases, train

if TYPE_CHECKING:
    from tests.conftest import DrawPicture, Project

WIDTH, LONGEST = 64, 24


class TinyFlow(ModelMixin, ConfigMixin, PeftAdapterMixin):  # type: ignore[misc]
    @register_to_config
    def __init__(self, channels: int = 4, width: int = WIDTH) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.told = nn.Linear(width + 1, width)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, words: Tensor, length: Tensor) -> Tensor:
        is_there = torch.arange(words.shape[1], device=x.device) < length[:, None]
        mean = (words * is_there[..., None]).sum(dim=1) / length[:, None]
        told = self.told(torch.cat([mean, t.to(x.dtype).expand(len(x))[:, None] / 1000], dim=1))
        hidden = torch.tanh(self.enter(x) + told[..., None, None])
        return self.leave(torch.tanh(self.mix(hidden)))


def embed(encoders: Any, prompts: Any, device: Any = None) -> Embeddings:
    words = np.zeros((len(prompts), LONGEST, WIDTH), np.float16)
    length = np.zeros(len(prompts), np.int32)
    for row, prompt in enumerate(prompts):
        tokens = encoders["tokenizer"](prompt, return_tensors="pt").input_ids[:, :LONGEST]
        with torch.inference_mode():
            found = encoders["text_encoder"](tokens).last_hidden_state[0]
        words[row, : len(found)], length[row] = found.half().numpy(), len(found)
    return Embeddings({"words": words, "length": length}, [False] * len(prompts))


TINY = Backbone(
    name="tiny",
    title="TinyFlow",
    tag="tiny-flow",
    example="someone/tiny",
    pipelines=("OnePicTinyPipeline", "TinyFlow"),
    stock="TinyFlowPipeline",
    network=Component("net", f"{__name__}.TinyFlow"),
    vae=Component("vae", "diffusers.AutoencoderKL"),
    encoders=(
        Component("text_encoder", "transformers.CLIPTextModel"),
        Component("tokenizer", "transformers.CLIPTokenizer", has_weights=False),
    ),
    options={},
    targets=("mix", "leave"),
    sampling=FLOW,
    kohya=None,
    refusal=lambda network, vae: None,
    native_area=lambda network, vae, factor: 64 * 64,
    text_widths=lambda network: {"words": network["width"]},
    zero_empty_prompt=lambda index: False,
    embed=embed,
    conditions=lambda samples, fit: {},
    predict=lambda network, x_t, t, texts, told: network(x_t, t, texts["words"], texts["length"]),
    process=lambda folder: Flow(),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model of this kind, which is known for as long as these tests run."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    for part in ("vae", "text_encoder", "tokenizer"):
        shutil.copytree(miniature.path() / part, folder / part)
    torch.manual_seed(0)
    TinyFlow().save_pretrained(folder / "net")
    FlowMatchEulerDiscreteScheduler().save_pretrained(folder / "scheduler")
    parts = {
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "net": [__name__, "TinyFlow"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    index = {"_class_name": "TinyFlowPipeline", "_diffusers_version": "0.42.0"} | parts
    (folder / "model_index.json").write_text(json.dumps(index))
    register(TINY)
    yield folder
    del BACKBONES[TINY.name]


@pytest.fixture
def data(tiny: Path, bare_project: Project) -> Path:
    """Eight canvases for it, in two shards."""
    bare_project.draw(*range(8))
    for number in range(8):
        text = "a cat" if number % 2 else "a picture of something much longer"
        (bare_project.root / f"pictures/{number:03d}.txt").write_text(text)
    changes = {"model": str(tiny), "prompt": "colorize {caption}", "samples_per_shard": 4}
    recipe = bare_project.recipe(**changes, panel_size={"width": 32, "height": 32})
    scheduling = Scheduling(local=True)
    compile_dataset(
        recipe, bare_project.output, recipe_folder=bare_project.root, scheduling=scheduling
    )
    return bare_project.output


def run(data: Path, output: Path, steps: int, resume: bool = False, **changes: Any) -> Path:
    settings = {
        "steps": steps,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "adapter": {"rank": 4},
        "checkpoint_every": 2,
        "tracker": "none",
        "gradient_checkpointing": False,
        "validation_samples": 0,
        "log_every": 1,
    }
    train([data], output, Settings.model_validate(settings | changes), resume=resume)
    return output


def losses(output: Path) -> list[float]:
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_prompts_of_any_length_are_stored_and_read(data: Path) -> None:
    dataset = open_dataset(data)
    assert not dataset.verify()
    lengths = [int(sample.texts["length"]) for sample in dataset]
    assert len(set(lengths)) == 2
    for sample, length in zip(dataset, lengths, strict=True):
        assert sample.texts["words"][:length].any()
        assert not sample.texts["words"][length:].any()
    assert open_canvases(data).backbone is TINY


def test_a_run_that_goes_on_ends_as_one_that_was_never_stopped(data: Path, tmp_path: Path) -> None:
    whole = run(data, tmp_path / "whole", steps=4)
    stopped = tmp_path / "stopped"
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints/step-0000004")
    (stopped / "pytorch_lora_weights.safetensors").unlink()
    run(data, stopped, steps=4, resume=True)
    ours, theirs = (load_file(f / "pytorch_lora_weights.safetensors") for f in (whole, stopped))
    assert {name.partition(".")[0] for name in ours} == {"net"}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert json.loads((whole / "task.json").read_text())["adapter"]["targets"] == ["mix", "leave"]


def test_something_is_learned(data: Path, tmp_path: Path) -> None:
    found = losses(run(data, tmp_path / "run", steps=120, adapter={"kind": "full"}))
    assert np.mean(found[-20:]) < 0.8 * np.mean(found[:20])


def test_what_was_trained_fills_a_canvas(
    tiny: Path, data: Path, tmp_path: Path, picture: DrawPicture
) -> None:
    adapter = run(data, tmp_path / "run", steps=2)
    pipe: Any = OnePicPipeline.from_pretrained(tiny)
    assert type(pipe).__name__ == "OnePicTinyPipeline"
    pipe.set_progress_bar_config(disable=True)
    pipe.load_task(adapter)

    def fill(**options: Any) -> Any:
        random = torch.Generator().manual_seed(1)
        options = {"num_inference_steps": 3, "generator": random, "output_type": "np"} | options
        return pipe({"grey": picture(32, 32)}, values={"caption": "a cat"}, **options).images

    image = fill()
    assert image.shape == (1, 32, 32, 3)
    assert image.std() > 0
    np.testing.assert_array_equal(image, fill())
    assert (image != fill(prompt="a dog in the rain", guidance_scale=1.0)).any()
    pipe.unload_task()
    pipe.save_pretrained(tmp_path / "saved")
    again = OnePicPipeline.from_pretrained(tmp_path / "saved")
    assert again.backbone is TINY


def test_a_dataset_for_another_kind_of_model_is_refused(
    data: Path, compiled_colours: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="not made for the same model"):
        train([data, compiled_colours], tmp_path / "both")
    with pytest.raises(SettingsError, match="kind of model is TinyFlow in the dataset and"):
        run(data, tmp_path / "run", steps=2, model="miniature")


def test_settings_that_make_no_sense_for_it_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="min_snr"):
        run(data, tmp_path / "run", steps=2, min_snr=5.0)


def test_a_dataset_of_an_unknown_kind_is_refused(data: Path) -> None:
    info = json.loads((data / "dataset.json").read_text())
    info["model"]["backbone"] = "huge"
    (data / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(DatasetError, match="no backbone 'huge'"):
        open_canvases(data)
