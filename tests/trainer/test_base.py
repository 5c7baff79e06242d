"""A model's folder: its U-Net, its noise schedule, and whether a dataset suits it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from onepic import miniature
from onepic.backbones.latents import Latents
from onepic.backbones.model import Model
from onepic.common.errors import ModelError, SettingsError
from onepic.trainer.base import check_fits, open_base
from onepic.trainer.canvases import Canvases, open_canvases


@pytest.fixture(scope="module")
def base() -> Model:
    return open_base("miniature", None)


@pytest.fixture
def canvases(finished_project) -> Canvases:
    return open_canvases(finished_project.output)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what a trainer reads of the miniature."""
    for part in ("unet", "scheduler", "vae"):
        shutil.copytree(Path(miniature.path()) / part, tmp_path / "model" / part)
    return tmp_path / "model"


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_miniature_is_found_by_its_name_and_needs_no_revision(base):
    assert (base.name, base.revision) == ("miniature", None)
    assert base.network["in_channels"] == 4
    assert base.latents.scaling_factor > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_unet_has_the_dtype_that_is_asked_for(base, dtype):
    assert {p.dtype for p in base.load(base.backbone.network, dtype).parameters()} == {dtype}


def test_the_schedule_is_that_of_training_whatever_sampler_the_folder_names(base):
    process = base.process()
    abar = process.abar
    euler = EulerDiscreteScheduler.from_pretrained(base.folder / "scheduler")
    assert process.prediction_type == "epsilon"
    assert torch.equal(abar, euler.alphas_cumprod)
    assert (abar.dtype, abar.shape) == (torch.float32, (1000,))


def test_a_schedule_that_ends_in_pure_noise_is_kept_so(folder):
    edit(
        folder / "scheduler/scheduler_config.json",
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
    )
    process = open_base(str(folder), None).process()
    assert process.prediction_type == "v_prediction"
    assert process.abar[-1] == 0


def test_a_model_that_predicts_something_else_is_refused(folder):
    edit(folder / "scheduler/scheduler_config.json", prediction_type="sample")
    with pytest.raises(ModelError, match=r"predicts 'sample'; expected epsilon or v_prediction"):
        open_base(str(folder), None).process()


def test_a_model_without_scheduler_is_refused(folder):
    shutil.rmtree(folder / "scheduler")
    with pytest.raises(ModelError, match="scheduler cannot be read"):
        open_base(str(folder), None).process()


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_folder_that_is_no_model_is_refused_with_what_was_expected(part, folder):
    (folder / part / "config.json").write_text("{")
    with pytest.raises(ModelError, match=rf"{part}/config.json: cannot be read .*expected a diff"):
        open_base(str(folder), None)


def test_a_unet_without_weights_is_refused(folder):
    for path in (folder / "unet").glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelError, match="no safetensors weights"):
        open_base(str(folder), None)


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        open_base(str(tmp_path / "nothing"), None)


def test_a_dataset_suits_the_model_that_it_was_made_for(base, canvases):
    check_fits(base, canvases)


def test_a_vae_that_does_not_say_its_scale_has_diffusers_own(base, canvases):
    silent = Latents.of({key: value for key, value in base.vae.items() if key != "scaling_factor"})
    made_for = canvases.info.model.model_copy(update={"scaling_factor": 0.18215})
    info = canvases.info.model_copy(update={"model": made_for})
    check_fits(replace(base, latents=silent), replace(canvases, info=info))


@pytest.mark.parametrize(
    ("part", "changes", "expected"),
    [
        ("vae", {"scaling_factor": 0.5}, r"scaling factor of latents is .* and 0\.5 in the model"),
        ("vae", {"shift_factor": 0.1}, r"shift of latents is 0\.0 in the dataset and 0\.1"),
        ("vae", {"latent_channels": 9}, "latent channels is 4 in the dataset and 9 in the model"),
        ("network", {"cross_attention_dim": 2048}, "width of the prompts' hidden is 160 .* 2048"),
        (
            "network",
            {"projection_class_embeddings_input_dim": 2816},
            r"width of the prompts' pooled is \d+ .* and 2624",
        ),
    ],
)
def test_a_dataset_for_another_model_is_refused(base, canvases, part, changes, expected):
    settings = getattr(base, part) | changes
    changed = {"latents": Latents.of(settings)} if part == "vae" else {part: settings}
    other = replace(base, **changed)
    with pytest.raises(SettingsError, match=expected) as caught:
        check_fits(other, canvases)
    assert "compiled for miniature" in str(caught.value)
    assert "compile it again with --model" in str(caught.value)


def test_a_model_that_knows_no_sizes_is_refused(base, canvases):
    bare = replace(base, network={"in_channels": 4, "cross_attention_dim": 160})
    with pytest.raises(SettingsError, match="width of the prompts' pooled"):
        check_fits(bare, canvases)
