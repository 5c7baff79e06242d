"""A model is a diffusers folder or a Hub id, whose own files say what its latents are like."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from huggingface_hub.utils import filter_repo_objects

from onepic import miniature
from onepic.backbones.known import BACKBONES
from onepic.backbones.model import open_model, weights_variant
from onepic.common.errors import ModelError

SDXL = BACKBONES["sdxl"]
COMPONENTS = [part.folder for part in (SDXL.vae, *SDXL.encoders)]
TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json")
OTHERS = (
    "unet/diffusion_pytorch_model.safetensors",
    "unet/config.json",
    "vae/diffusion_pytorch_model.bin",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "vae/README.md",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.onnx",
    "scheduler/scheduler_config.json",
    "sd_xl_base_1.0.safetensors",
)


def copy_miniature(folder: Path) -> Path:
    """The miniature's files but for its U-Net, with nothing in those of weights."""
    skip = shutil.ignore_patterns("*.safetensors", "unet")
    shutil.copytree(miniature.path(), folder, ignore=skip, dirs_exist_ok=True)
    for weights in miniature.path().rglob("*.safetensors"):
        if weights.parent.name != "unet":
            (folder / weights.relative_to(miniature.path())).touch()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the miniature, to be changed."""
    return copy_miniature(tmp_path / "model")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hub's cache of a machine without network, which knows two commits of user/tiny."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--user--tiny"
    (repository / "refs").mkdir(parents=True)
    for branch, commit in {"main": "a" * 40, "next": "b" * 40}.items():
        copy_miniature(repository / "snapshots" / commit)
        (repository / "refs" / branch).write_text(commit)
    return repository


def change(file: Path, **settings: Any) -> None:
    """Change settings of a JSON file; None takes one away."""
    data = json.loads(file.read_text()) | settings
    file.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def make_half(folder: Path) -> None:
    """Give every file of weights the name of its half-precision variant."""
    for file in list(folder.rglob("*.safetensors")):
        file.rename(file.with_suffix(".fp16.safetensors"))


def names(folder: Path) -> set[str]:
    return {path.as_posix() for path in open_model(str(folder)).files()}


def test_the_miniature_opens_by_its_name() -> None:
    model = open_model("miniature")
    assert model.folder == miniature.path()
    assert (model.latents.factor, model.latents.channels, model.variant) == (8, 4, None)
    assert model.backbone is SDXL
    assert model.revision is None
    config = json.loads((miniature.path() / "vae" / "config.json").read_text())
    assert model.latents.scaling_factor == config["scaling_factor"]
    assert model.latents.shift_factor == 0
    assert model.zero_empty_prompt


def test_a_folder_opens_by_its_path_and_has_no_revision(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_model(str(folder)).folder == folder
    assert open_model(str(folder), "main").revision is None
    monkeypatch.chdir(folder.parent)
    assert open_model("model").folder == folder


def test_settings_are_read_from_the_models_own_files(folder: Path) -> None:
    change(
        folder / "vae/config.json",
        block_out_channels=[8, 8, 8],
        latent_channels=16,
        scaling_factor=0.5,
        shift_factor=0.25,
        force_upcast=False,
        sample_size=512,
    )
    change(folder / "model_index.json", force_zeros_for_empty_prompt=False)
    model = open_model(str(folder))
    assert (model.latents.factor, model.latents.channels) == (4, 16)
    assert (model.latents.scaling_factor, model.latents.shift_factor) == (0.5, 0.25)
    assert model.half_is_safe
    assert not model.zero_empty_prompt
    assert model.native_area == 512**2


def test_what_a_model_does_not_say_is_as_diffusers_has_it(folder: Path) -> None:
    change(
        folder / "vae/config.json",
        scaling_factor=None,
        shift_factor=None,
        force_upcast=None,
        sample_size=None,
    )
    (folder / "model_index.json").unlink()
    model = open_model(str(folder))
    assert (model.latents.scaling_factor, model.latents.shift_factor) == (0.18215, 0)
    assert not model.half_is_safe
    assert model.zero_empty_prompt
    assert model.native_area == 1024**2


def test_the_native_area_is_the_unets_if_there_is_one(folder: Path) -> None:
    (folder / "unet").mkdir()
    (folder / "unet/config.json").write_text('{"sample_size": 128}')
    assert open_model(str(folder)).native_area == 1024**2


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_missing_component_is_named(folder: Path, component: str) -> None:
    shutil.rmtree(folder / component)
    with pytest.raises(
        ModelError, match=rf"has no {component}/.*expected a diffusers folder of Stable"
    ):
        open_model(str(folder))


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"{tmp_path} has no vae/config\.json; .*tokenizer_2"):
        open_model(str(tmp_path))


@pytest.mark.parametrize("file", ["vae/config.json", "model_index.json", "unet/config.json"])
@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read as JSON"), ("[]", "expected a JSON object"), ("\0", "cannot be read")],
)
def test_a_broken_file_of_settings_is_named(
    folder: Path, file: str, content: str, message: str
) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(content)
    with pytest.raises(ModelError, match=f"{folder / file}: {message}"):
        open_model(str(folder))


@pytest.mark.parametrize("setting", ["block_out_channels", "latent_channels"])
def test_a_vae_of_another_kind_is_refused(folder: Path, setting: str) -> None:
    change(folder / "vae/config.json", **{setting: None})
    with pytest.raises(ModelError, match=rf"vae/config\.json has no '{setting}'"):
        open_model(str(folder))


@pytest.mark.parametrize("setting", ["latents_mean", "latents_std"])
def test_a_vae_that_scales_each_channel_is_refused(folder: Path, setting: str) -> None:
    change(folder / "vae/config.json", **{setting: [0.0, 1.0, 0.0, 1.0]})
    with pytest.raises(ModelError, match=rf"vae/config\.json has '{setting}', so each channel"):
        open_model(str(folder))


def test_weights_other_than_safetensors_are_refused(folder: Path) -> None:
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelError, match=f"{folder / 'vae'} has no safetensors weights"):
        open_model(str(folder))


@pytest.mark.parametrize("name", ["nonsense", "a/b/c", "./user/model", "/nowhere/model", "~/a"])
def test_a_name_that_can_be_nothing_is_refused_without_asking_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="no such folder; give a diffusers folder or a Hub"):
        open_model(name)


def test_half_precision_weights_are_taken_only_where_there_are_no_others(folder: Path) -> None:
    full = names(folder)
    make_half(folder)
    assert open_model(str(folder)).variant == "fp16"
    half = names(folder)
    assert half == {name.replace(".safetensors", ".fp16.safetensors") for name in full}
    copy_miniature(folder)
    assert open_model(str(folder)).variant is None
    assert names(folder) == full


def test_the_files_are_those_that_shape_latents_and_embeddings(folder: Path) -> None:
    before = names(folder)
    assert {"vae/config.json", "vae/diffusion_pytorch_model.safetensors"} <= before
    assert {f"tokenizer{suffix}/{name}" for suffix in ("", "_2") for name in TOKENIZER} <= before
    assert {f"text_encoder{suffix}/model.safetensors" for suffix in ("", "_2")} <= before
    assert all((folder / name).is_file() for name in before)
    for other in OTHERS:
        (folder / other).parent.mkdir(exist_ok=True)
        (folder / other).write_text("{}")
    assert names(folder) == before


@pytest.mark.parametrize(
    ("revision", "commit"),
    [(None, "a" * 40), ("main", "a" * 40), ("next", "b" * 40), ("b" * 40, "b" * 40)],
)
def test_a_hub_id_opens_at_its_revisions_commit(
    hub: Path, revision: str | None, commit: str
) -> None:
    model = open_model("user/tiny", revision)
    assert model.name == "user/tiny"
    assert model.revision == commit
    assert model.folder == hub / "snapshots" / commit


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("name", "revision"), [("user/tiny", "gone"), ("user/nothing", None)])
def test_what_is_neither_here_nor_on_the_hub_is_named(name: str, revision: str | None) -> None:
    with pytest.raises(ModelError, match=f"model {name}: neither a folder here nor found on the H"):
        open_model(name, revision)


@pytest.fixture
def fetched(hub: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., set[str]]:
    """`fetched(parts, without)` are the files of a repository that come from the Hub."""
    folder = hub / "snapshots" / ("c" * 40)

    def fetch(parts: list[Any], without: str = "nothing") -> set[str]:
        there = [name for name in ON_THE_HUB if name != without]

        def snapshot_download(name: str, **options: Any) -> str:
            del options["revision"]
            for path in filter_repo_objects(there, **options):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                source = miniature.path() / path
                (folder / path).write_bytes(source.read_bytes() if source.is_file() else b"")
            return str(folder)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        assert open_model("user/tiny", None, parts).folder == folder
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix() for path in files}

    return fetch


SETTINGS = {"model_index.json", "scheduler/scheduler_config.json"} | {
    f"{part}/config.json" for part in ("unet", "vae", "text_encoder", "text_encoder_2")
}
ON_THE_HUB = [
    *SETTINGS,
    "unet/model.bin",
    "unet/model.safetensors",
    "unet/model.fp16.safetensors",
    "vae/model.safetensors",
    "vae/model.fp16.safetensors",
    "text_encoder/model.fp16.safetensors",
    "text_encoder_2/model.fp16.safetensors",
    "tokenizer/vocab.json",
    "tokenizer_2/vocab.json",
]


def test_of_a_models_weights_only_the_asked_ones_are_fetched_in_full_precision(
    fetched: Callable[..., set[str]],
) -> None:
    assert fetched(["network"]) == SETTINGS | {"unet/model.safetensors"}


def test_half_precision_of_the_asked_parts_is_fetched_where_there_is_no_other(
    fetched: Callable[..., set[str]],
) -> None:
    assert fetched(["vae", "encoders"], without="vae/model.safetensors") == SETTINGS | {
        "vae/model.fp16.safetensors",
        "text_encoder/model.fp16.safetensors",
        "text_encoder_2/model.fp16.safetensors",
        "tokenizer/vocab.json",
        "tokenizer_2/vocab.json",
    }


def test_the_variant_is_that_of_a_components_weights(folder: Path) -> None:
    assert weights_variant("mine", folder / "vae") is None
    make_half(folder)
    assert weights_variant("mine", folder / "vae") == "fp16"
    with pytest.raises(ModelError, match=f"model mine: {folder / 'tokenizer'} has no safetensors"):
        weights_variant("mine", folder / "tokenizer")


def change_config(path: Path, **changes: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | changes))


@pytest.mark.parametrize("pipeline", ["FluxPipeline", "StableDiffusion3Pipeline", 7])
def test_a_model_with_the_components_of_sdxl_that_is_none_is_refused(folder, pipeline):
    change_config(folder / "model_index.json", _class_name=pipeline)
    with pytest.raises(
        ModelError, match=rf"model_index\.json says that it is a {pipeline}; expect"
    ):
        open_model(str(folder))


@pytest.mark.parametrize(
    "pipeline", ["StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "OnePicPipeline"]
)
def test_every_pipeline_of_sdxl_saves_a_model_of_sdxl(folder, pipeline):
    change_config(folder / "model_index.json", _class_name=pipeline)
    assert open_model(str(folder)).latents.channels == 4


def test_a_unet_that_takes_more_than_latents_is_refused(folder):
    change_config(folder / "unet" / "config.json", in_channels=9)
    with pytest.raises(ModelError, match="takes 9 channels and its VAE gives 4"):
        open_model(str(folder))


def test_a_model_without_an_index_is_taken_for_what_its_components_are(folder):
    (folder / "model_index.json").unlink()
    assert open_model(str(folder)).backbone is SDXL
