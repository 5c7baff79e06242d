"""The page of a run shows what was trained, and the Hub can read its head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image

from onepic.backbones import BACKBONES
from onepic.trainer.card import CURVE, draw_curve, write_card
from onepic.trainer.settings import Settings

HUB = "hf://datasets/someone/colours"
METRICS = [
    {"step": 0, "validation_loss": 0.5},
    {"step": 10, "loss": 0.4, "learning_rate": 1e-3},
    {"step": 20, "loss": 0.3, "learning_rate": 1e-3},
    {"step": 20, "validation_loss": 0.25, "validation_loss_other_context": 0.75},
]


def task_card(kind: str = "lora", **base: Any) -> dict[str, Any]:
    recipe = {
        "layout": [["grey", "grey"], ["grey", "colour"]],
        "target": {"panels": ["colour"], "mask": None},
        "panels": {
            "grey": {"from": "image", "apply": [{"grayscale": {}}, "canny"]},
            "colour": {"from": "image", "apply": []},
        },
        "prompt": "colorize: {caption}",
    }
    task = {"recipe": recipe, "panel_size": [64, 48], "samples": 24}
    return {
        "base": {"name": "someone/sdxl", "revision": "abc", **base},
        "adapter": {"kind": kind},
        "datasets": [
            {"name": "data/a", "commit": None, "fingerprint": "f" * 64, "samples": 24},
            {"name": HUB, "commit": "c" * 40, "fingerprint": "f" * 64, "samples": 7},
        ],
        "tasks": {"colorization": task},
    }


def page(run: Path, card: dict[str, Any], metrics: Any = METRICS) -> str:
    settings = Settings().model_dump(mode="json")
    write_card(run, card, settings, metrics, "pytorch_lora_weights.safetensors", BACKBONES["sdxl"])
    return (run / "README.md").read_text()


def front(text: str) -> Any:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_head_is_what_the_hub_reads(tmp_path):
    head = front(page(tmp_path, task_card()))
    assert head["base_model"] == "someone/sdxl"
    assert head["pipeline_tag"] == "image-to-image"
    assert {"onepic", "lora", "colorization"} <= set(head["tags"])
    assert ModelCard.load(tmp_path / "README.md").data.base_model == "someone/sdxl"


@pytest.mark.parametrize("name", ["miniature", "models/sdxl", "/models/sdxl", "../sdxl"])
def test_a_model_of_this_machine_is_not_named_to_the_hub(name, tmp_path):
    text = page(tmp_path, task_card(name=name, revision=None))
    assert "base_model" not in front(text)
    assert name in text


def test_the_canvas_is_shown_with_its_target_in_bold(tmp_path):
    text = page(tmp_path, task_card())
    assert "| grey | grey |\n|---|---|\n| grey | **colour** |" in text
    assert "64 x 48 px" in text
    assert "- `grey`: `image`, then grayscale, canny" in text
    assert "- `colour`: `image`\n" in text
    assert "`colorize: {caption}`" in text


def test_the_page_says_how_the_loss_went(tmp_path):
    text = page(tmp_path, task_card())
    assert "Masked training loss: 0.4000 at step 10, 0.3000 at step 20." in text
    assert "Masked validation loss: 0.5000 at step 0, 0.2500 at step 20." in text
    assert "loss in another sample's context: 0.7500 at step 20, 0.7500 at step 20." in text
    assert f"({CURVE})" in text


def test_a_run_without_metrics_has_a_page_too(tmp_path):
    text = page(tmp_path, task_card(), [])
    assert "Masked training loss" not in text
    draw_curve([], tmp_path / CURVE)
    assert Image.open(tmp_path / CURVE).size == (800, 400)


def test_all_settings_are_on_the_page(tmp_path):
    text = page(tmp_path, task_card())
    settings = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert Settings.model_validate(settings) == Settings()


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
def test_a_low_rank_adapter_comes_with_the_lines_that_load_it(kind, tmp_path):
    text = page(tmp_path, task_card(kind))
    assert 'StableDiffusionXLPipeline.from_pretrained("someone/sdxl")' in text
    assert "pipe.load_lora_weights(" in text


@pytest.mark.parametrize("kind", ["loha", "lokr", "full"])
def test_other_adapters_do_not_promise_what_diffusers_refuses(kind, tmp_path):
    assert "load_lora_weights" not in page(tmp_path, task_card(kind))


def test_the_curve_is_a_picture(tmp_path):
    draw_curve(METRICS, tmp_path / CURVE)
    picture = Image.open(tmp_path / CURVE)
    assert (picture.format, picture.size) == ("PNG", (800, 400))
    assert [path.name for path in tmp_path.iterdir()] == [CURVE]


def test_a_task_may_be_called_what_yaml_takes_for_something_else(tmp_path):
    card = task_card()
    card["tasks"] = {"no": card["tasks"]["colorization"], "1e3": card["tasks"]["colorization"]}
    tags = front(page(tmp_path, json.loads(json.dumps(card))))["tags"]
    assert {"no", "1e3"} <= set(tags)


def test_the_page_says_which_commit_of_a_dataset_was_trained_on(tmp_path):
    text = page(tmp_path, task_card())
    assert front(text)["datasets"] == ["someone/colours"]
    assert f"- `{HUB}` at commit {'c' * 40}: 7 samples, fingerprint `ffffffffffff`" in text
    assert "- `data/a`: 24 samples" in text


def test_the_loss_of_each_of_several_datasets_is_on_the_page(tmp_path):
    each = {"validation_loss/edit": 0.2, "validation_loss/tryon": 0.5}
    text = page(tmp_path, task_card(), [*METRICS, {"step": 20, "validation_loss": 0.35} | each])
    assert "Masked validation loss of edit: 0.2000 at step 20, 0.2000 at step 20." in text
    assert "Masked validation loss of tryon: 0.5000 at step 20" in text


def test_the_page_names_the_data_that_were_only_validated_on(tmp_path):
    other = {"name": "heldout", "commit": None, "fingerprint": "e" * 64, "samples": 9}
    card = task_card() | {"validation": [other]}
    text = page(tmp_path, card)
    assert "Validated on, and not trained on:\n\n- `heldout`: 9 samples" in text
    assert "Validated on" not in page(tmp_path, task_card())
